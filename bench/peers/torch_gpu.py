#!/usr/bin/env python3
"""Times PyTorch on a GPU on the workloads of scripts/gpu_check: one JSON line a workload.

usage: torch_gpu.py --all | MODEL WORKLOAD DTYPE MODE [--batch N] [--steps N]
MODEL     mobilenet_v3_large or resnet50 (Keras' geometry: the stride of a bottleneck in its first 1x1 convolution)
WORKLOAD  train, blocks3 (prefix recomputed), infer
DTYPE     bf16 (autocast; plain bf16 for inference), tf32, f32
MODE      eager or compiled (torch.compile, mode reduce-overhead)
channels_last, fused Adam, inputs on the device, medians of CUDA events.
"""
import argparse
import json
import sys
import time

import torch
import torchvision


def build(name):
    model = getattr(torchvision.models, name)(weights=None)
    if name == "resnet50":
        for stage in (model.layer2, model.layer3, model.layer4):
            stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
        model.fc = torch.nn.Linear(2048, 5)
    else:
        model.classifier = torch.nn.Linear(960, 5)
    return model.cuda().to(memory_format=torch.channels_last)


def trainable_parts(name, model, workload):
    if workload == "train":
        return [model]
    head = model.fc if name == "resnet50" else model.classifier
    return ([model.layer4] if name == "resnet50" else list(model.features[13:])) + [head]


def train_step(name, model, workload, dtype, mode, x, labels):
    model.eval()
    model.requires_grad_(False)
    for part in trainable_parts(name, model, workload):
        part.train()
        part.requires_grad_(True)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-5, fused=True)
    loss_of = torch.nn.CrossEntropyLoss()

    def forward(x, labels):
        with torch.autocast("cuda", torch.bfloat16, enabled=dtype == "bf16"):
            logits = model(x)
        return loss_of(logits.float(), labels)

    if mode == "compiled":
        forward = torch.compile(forward, mode="reduce-overhead")

    def step():
        optimizer.zero_grad(set_to_none=True)
        forward(x, labels).backward()
        optimizer.step()

    return step


def infer_step(model, dtype, mode, x):
    model.eval()
    if dtype == "bf16":
        model, x = model.to(torch.bfloat16), x.to(torch.bfloat16)
    call = torch.compile(model, mode="reduce-overhead") if mode == "compiled" else model

    def step():
        with torch.no_grad():
            call(x)

    return step


def measure(model_name, workload, dtype, mode, batch, steps):
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = dtype == "tf32"
    torch.backends.cudnn.benchmark = True
    model = build(model_name)
    x = torch.rand(batch, 3, 224, 224, device="cuda").contiguous(memory_format=torch.channels_last)
    labels = torch.arange(batch, device="cuda") % 5
    step = (infer_step(model, dtype, mode, x) if workload == "infer"
            else train_step(model_name, model, workload, dtype, mode, x, labels))
    begun = time.perf_counter()
    for _ in range(8):
        step()
    torch.cuda.synchronize()
    warm = time.perf_counter() - begun
    times = []
    for _ in range(steps):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        step()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    times.sort()
    print(json.dumps({"peer": f"torch {torch.__version__}", "mode": mode, "model": model_name, "workload": workload,
                      "dtype": dtype, "batch": batch, "steps": steps, "ms": round(times[len(times) // 2], 4),
                      "min_ms": round(times[0], 4), "warm_up_s": round(warm, 1),
                      "device": torch.cuda.get_device_name()}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("setting", nargs="*", metavar="MODEL WORKLOAD DTYPE MODE")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=50)
    a = parser.parse_args()
    if not a.all:
        if len(a.setting) != 4:
            parser.error("wants MODEL WORKLOAD DTYPE MODE, or --all")
        measure(*a.setting, a.batch, a.steps)
        return
    failures = 0
    for mode in ("eager", "compiled"):  # what takes longest last, so that a time limit costs the least
        for model in ("resnet50", "mobilenet_v3_large"):
            for workload, dtype, batch in (("train", "bf16", 32), ("blocks3", "bf16", 32), ("infer", "bf16", 32),
                                           ("infer", "bf16", 256), ("train", "tf32", 32), ("train", "f32", 32)):
                if mode == "compiled" and dtype != "bf16":
                    continue
                try:
                    measure(model, workload, dtype, mode, batch, a.steps)
                except RuntimeError as error:
                    failures += 1
                    print(f"{model} {workload} {dtype} {mode}: {error}", file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
