#!/usr/bin/env python3
"""Times PyTorch on the workloads of bench/peers: one JSON line a workload.

usage: torch_step.py MODEL WORKLOAD DTYPE [--stock] [--steps N] [--batch N] [--size N] [--head WIDTHS] [--dropout RATE]
MODEL     mobilenet_v3_large, mobilenet_v3_small or resnet50 (Keras' geometry: the stride of a bottleneck in its first 1x1
          convolution)
WORKLOAD  train, blocks3 (prefix recomputed), head (prefix recomputed), infer, rows (with --rows FILE: the layers that
          train, by Keras' names; see torch_rows.py)
Tuned (default): channels_last, denormals flushed, two threads; the caller adds the AVX-512 dispatch and jemalloc.
"""
import argparse
import json
import resource
import time

import torch
import torchvision

import torch_rows


def build(name, stock, widths=(), dropout=0.0):
    make = getattr(torchvision.models, name)
    model = make(weights=None)
    if name == "resnet50":
        for stage in (model.layer2, model.layer3, model.layer4):
            stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
        model.fc = make_head(2048, widths, dropout)
    else:
        model.classifier = make_head(model.classifier[0].in_features, widths, dropout)
    return model if stock else model.to(memory_format=torch.channels_last)


def make_head(inputs, widths, dropout):
    """thaw's transfer head behind the pooling: hidden dense layers, each with its dropout, and the classifier of five;
    without hidden layers the dropout is before the classifier."""
    parts = [] if widths else [torch.nn.Dropout(dropout)]
    for width in widths:
        parts += [torch.nn.Linear(inputs, width), torch.nn.ReLU(), torch.nn.Dropout(dropout)]
        inputs = width
    return torch.nn.Sequential(*parts, torch.nn.Linear(inputs, 5))


def head_of(name, model):
    return model.fc if name == "resnet50" else model.classifier


def trainable_part(name, model, workload):
    """The modules that train; everything before is frozen and in evaluation mode."""
    if workload == "train":
        return [model]
    head = [head_of(name, model)]
    if workload == "head":
        return head
    return ([model.layer4] if name == "resnet50" else list(model.features[13:])) + head


def autocast(dtype):
    return torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16")


def unfreeze(name, model, workload):
    parts = trainable_part(name, model, workload)
    model.eval()
    model.requires_grad_(False)
    for part in parts:
        part.train()
        part.requires_grad_(True)


def train_step(model, dtype, x, labels):
    """A step of what is not frozen; the frozen prefix is computed in each and records nothing."""
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
    parser.add_argument("workload", choices=["train", "blocks3", "head", "infer", "rows"])
    parser.add_argument("dtype", choices=["f32", "bf16"])
    parser.add_argument("--stock", action="store_true")
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--head", default="none", help="hidden dense layers: none, or widths: 512,256")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--rows", metavar="FILE")
    a = parser.parse_args()
    if (a.workload == "rows") != bool(a.rows):
        parser.error("the workload 'rows', and no other, wants --rows FILE")
    torch.set_num_threads(2)
    torch.manual_seed(0)
    if not a.stock:
        torch.set_flush_denormal(True)
    widths = [int(width) for width in a.head.split(",")] if a.head != "none" else []
    model = build(a.model, a.stock, widths, a.dropout)
    x = torch.rand(a.batch, 3, a.size, a.size)
    if not a.stock:
        x = x.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(a.batch) % 5
    if a.workload == "infer":
        step = infer_step(model, a.dtype, x, a.stock)
    else:
        if a.rows:
            torch_rows.unfreeze(a.model, model, head_of(a.model, model), a.rows)
        else:
            unfreeze(a.model, model, a.workload)
        step = train_step(model, a.dtype, x, labels)
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
        "batch": a.batch, "steps": a.steps, "ms": round(times[len(times) // 2], 1),
        "min_ms": round(times[0], 1), "max_ms": round(times[-1], 1),
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10}), flush=True)


if __name__ == "__main__":
    main()
