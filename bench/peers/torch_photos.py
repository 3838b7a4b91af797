#!/usr/bin/env python3
"""Times PyTorch on decoding, resizing and a frozen base, from photo files to pooled features: one JSON line.

usage: torch_photos.py FOLDER MODEL DTYPE READER [--limit N] [--batch N] [--size N]
FOLDER  a folder of class folders of photos
MODEL   mobilenet_v3_large or resnet50; none: decoding and resizing alone
READER  how photos become batches, always two batches ahead of the network:
        threads-io   two threads, torchvision.io.decode_jpeg
        threads-pil  two threads, PIL
        workers-io   two processes of torch's DataLoader, torchvision.io.decode_jpeg
        workers-pil  two processes of torch's DataLoader, PIL
        after-io     two threads and no work ahead, torchvision.io.decode_jpeg
Resizing is torch's bilinear without antialiasing, as TensorFlow's is. The clock starts when the model is built, traced
and warm; the file cache is warm too.
"""
import argparse
import concurrent.futures
import json
import pathlib
import resource
import time

import numpy
import torch
import torchvision
from PIL import Image

import torch_step


class Photos(torch.utils.data.Dataset):
    def __init__(self, files, reader, size):
        self.files = files
        self.size = (size, size)
        self.pil = reader.endswith("pil")

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        if self.pil:
            pixels = torch.from_numpy(numpy.array(Image.open(self.files[i]).convert("RGB"))).permute(2, 0, 1)
        else:
            data = torchvision.io.read_file(str(self.files[i]))
            pixels = torchvision.io.decode_jpeg(data, mode=torchvision.io.ImageReadMode.RGB)
        resized = torch.nn.functional.interpolate(pixels.unsqueeze(0).float(), self.size, mode="bilinear",
                                                  align_corners=False)
        return resized[0].contiguous(memory_format=torch.preserve_format)


def by_threads(photos, batch, ahead):
    """Batches in order, each photo a task of a pool of two; `ahead` batches are under way beyond the one in use."""
    starts = range(0, len(photos), batch)
    with concurrent.futures.ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        queue = []
        for start in starts:
            queue.append([pool.submit(photos.__getitem__, i) for i in range(start, min(start + batch, len(photos)))])
            if len(queue) > ahead:
                yield torch.stack([photo.result() for photo in queue.pop(0)])
        for tasks in queue:
            yield torch.stack([photo.result() for photo in tasks])


def batches(photos, reader, batch):
    if reader.startswith("workers"):
        return torch.utils.data.DataLoader(photos, batch, num_workers=2, prefetch_factor=2)
    return by_threads(photos, batch, 0 if reader.startswith("after") else 2)


def frozen_base(name, dtype, batch, size):
    """The base with its pooling, traced and warm: pixels in [0, 255] to features."""
    model = torch_step.build(name, stock=False)
    base = torch.nn.Sequential(model.features, model.avgpool) if name != "resnet50" else \
        torch.nn.Sequential(*list(model.children())[:-1])
    base = base.eval().to(dtype)
    example = torch.rand(batch, 3, size, size).to(dtype).contiguous(memory_format=torch.channels_last)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) * 255
    scale = 1 / (torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1) * 255)
    frozen = torch.jit.freeze(torch.jit.trace(base, example, check_trace=False))
    for _ in range(3):
        frozen(example)
    return lambda pixels: frozen(((pixels - mean) * scale).to(dtype).contiguous(memory_format=torch.channels_last))


def first_pixels(pixels):
    return pixels[:, 0, 0, :1].clone()  # a view would keep the batch


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("model")
    parser.add_argument("dtype", choices=["f32", "bf16"])
    parser.add_argument("reader", choices=["threads-io", "threads-pil", "workers-io", "workers-pil", "after-io"])
    parser.add_argument("--limit", type=int)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    a = parser.parse_args()
    torch.set_num_threads(2)
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    dtype = torch.bfloat16 if a.dtype == "bf16" else torch.float32
    with torch.no_grad():
        features_of = first_pixels if a.model == "none" else frozen_base(a.model, dtype, a.batch, a.size)
        files = sorted(pathlib.Path(a.folder).glob("*/*.jpg"))
        files = files[::max(1, len(files) // (a.limit or len(files)))][:a.limit]  # of every class
        photos = Photos(files, a.reader, a.size)
        features = []
        start = time.perf_counter()
        for pixels in batches(photos, a.reader, a.batch):
            features.append(features_of(pixels).float().flatten(1))
        width = torch.cat(features).shape[1]
        seconds = time.perf_counter() - start
    print(json.dumps({
        "peer": f"torch {torch.__version__} tuned", "model": a.model, "workload": "photos", "dtype": a.dtype,
        "reader": a.reader, "photos": len(files), "features": width, "ms": round(1000 * seconds, 1),
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10}), flush=True)


if __name__ == "__main__":
    main()
