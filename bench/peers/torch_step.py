#!/usr/bin/env python3
"""Times PyTorch on the workloads of bench/peers: one JSON line a workload.

usage: torch_step.py MODEL WORKLOAD DTYPE [--stock] [--steps N] [--batch N]
MODEL     mobilenet_v3_large or resnet50 (Keras' geometry: the stride of a bottleneck in its first 1x1 convolution)
WORKLOAD  train, blocks3 (prefix recomputed), head (prefix recomputed), infer
Tuned (default): channels_last, denormals flushed, two threads; run.sh adds the AVX-512 dispatch and jemalloc.
"""
import argparse
import json
import resource
import time

import torch
import torchvision


def build(name, stock):
    make = getattr(torchvision.models, name)
    model = make(weights=None)
    if name == "resnet50":
        for stage in (model.layer2, model.layer3, model.layer4):
            stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
        model.fc = torch.nn.Linear(2048, 5)
    else:
        model.classifier = torch.nn.Linear(960, 5)
    return model if stock else model.to(memory_format=torch.channels_last)


def trainable_part(name, model, workload):
    """The modules that train; everything before is frozen and in evaluation mode."""
    if workload == "train":
        return [model]
    head = [model.fc if name == "resnet50" else model.classifier]
    if workload == "head":
        return head
    return ([model.layer4] if name == "resnet50" else list(model.features[13:])) + head


def autocast(dtype):
    return torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16")


def train_step(name, model, workload, dtype, x, labels):
    parts = trainable_part(name, model, workload)
    model.eval()
    for p in model.parameters():
        p.requires_grad = False
    for part in parts:
        part.train()
        for p in part.parameters():
            p.requires_grad = True
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-5)
    loss_of = torch.nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad(set_to_none=True)
        with autocast(dtype):
            logits = model(x)
        loss_of(logits.float(), labels).backward()
        optimizer.step()

    return step


def infer_step(model, dtype, x, stock):
    model.eval()
    if stock:
        def step():
            with torch.no_grad(), autocast(dtype):
                model(x)
        return step
    if dtype == "bf16":
        model, x = model.to(torch.bfloat16), x.to(torch.bfloat16)
    with torch.no_grad():
        traced = torch.jit.freeze(torch.jit.trace(model, x, check_trace=False))

    def step():
        with torch.no_grad():
            traced(x)

    return step


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("workload", choices=["train", "blocks3", "head", "infer"])
    parser.add_argument("dtype", choices=["f32", "bf16"])
    parser.add_argument("--stock", action="store_true")
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32)
    a = parser.parse_args()
    torch.set_num_threads(2)
    torch.manual_seed(0)
    if not a.stock:
        torch.set_flush_denormal(True)
    model = build(a.model, a.stock)
    x = torch.rand(a.batch, 3, 224, 224)
    if not a.stock:
        x = x.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(a.batch) % 5
    if a.workload == "infer":
        step = infer_step(model, a.dtype, x, a.stock)
    else:
        step = train_step(a.model, model, a.workload, a.dtype, x, labels)
    times = []
    for i in range(a.warmup + a.steps):
        start = time.perf_counter()
        step()
        if i >= a.warmup:
            times.append(1000 * (time.perf_counter() - start))
    times.sort()
    print(json.dumps({
        "peer": f"torch {torch.__version__}" + (" stock" if a.stock else " tuned"),
        "model": a.model, "workload": a.workload, "dtype": a.dtype,
        "batch": a.batch, "steps": a.steps, "ms": round(times[len(times) // 2], 1), "min_ms": round(times[0], 1), "max_ms": round(times[-1], 1),
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10}), flush=True)


if __name__ == "__main__":
    main()
