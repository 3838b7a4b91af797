#!/usr/bin/env python3
"""Check that real keras.applications models load what `thaw weights export` writes, tensor by tensor.

Set up (CPU only, about 1.5 minutes on a slow line; Keras' numpy backend imports jax):

    python3 -m venv /tmp/keras && /tmp/keras/bin/pip install keras h5py scipy jax

Compare an export with the Keras file that it came from:

    thaw weights export mobilenet_v3_small.h5 --model mobilenet_v3_small --out exported.h5
    /tmp/keras/bin/python scripts/check_keras_export.py exported.h5 --model MobileNetV3Small \\
        --source mobilenet_v3_small.h5

or, without any pretrained file, an export of the deterministic fill, which this script draws anew by itself:

    thaw weights synth resnet50 --out synth.h5 && thaw weights export synth.h5 --out exported.h5
    /tmp/keras/bin/python scripts/check_keras_export.py exported.h5 --model ResNet50 --synth

Exit codes: 0 every tensor equal bit by bit, 3 the file cannot be loaded, 5 a tensor differs.
"""

import argparse
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "numpy")

import keras  # noqa: E402  (the backend is chosen by the environment)
import numpy as np  # noqa: E402

MODELS = ("ResNet50", "MobileNetV3Large", "MobileNetV3Small")


def fnv1a(text):
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def synthetic(name, shape):
    """Values of weights/synth.h for the Keras 3 tensor `name`, in Keras' layout, float32."""
    count = int(np.prod(shape))
    with np.errstate(over="ignore"):
        x = (np.arange(1, count + 1, dtype=np.uint32) * np.uint32(0x9E3779B1)) + np.uint32(fnv1a(name))
        x ^= x >> np.uint32(16)
        x *= np.uint32(0x85EBCA6B)
        x ^= x >> np.uint32(13)
        x *= np.uint32(0xC2B2AE35)
        x ^= x >> np.uint32(16)
    u = (x >> np.uint32(8)).astype(np.float64) / 2**24 * 2 - 1
    leaf = name.rsplit("/", 1)[1]
    if leaf == "kernel":
        fan_in = shape[0] * shape[1] * (1 if shape[3] == 1 and "depthwise" in name else shape[2])
        values = u * np.sqrt(6.0 / fan_in)
    else:
        offset, scale = {"bias": (0, 0.1), "gamma": (1, 0.2), "beta": (0, 0.2),
                         "moving_mean": (0, 0.2), "moving_variance": (1, 0.5)}[leaf]
        values = offset + u * scale
    return values.astype(np.float32).reshape(shape)


def tensors_of(model):
    """Keras 3 tensor name -> float32 array, in `model.layers` order."""
    return {f"{layer.name}/{weight.name}": np.asarray(weight)
            for layer in model.layers for weight in layer.weights}


def load(model_name, size, path):
    keras.utils.clear_session()
    model = getattr(keras.applications, model_name)(
        weights=None, include_top=False, input_shape=(size, size, 3))
    before = tensors_of(model)
    model.load_weights(path)
    after = tensors_of(model)
    if all(np.array_equal(before[name], after[name]) for name in after):
        raise ValueError(f"{path} changed nothing in the model")
    return after


def differing(found, wanted):
    """Names whose bits differ; comparing bits makes NaN equal to itself and -0 differ from 0."""
    names = []
    for name, values in found.items():
        other = wanted[name]
        if values.shape != other.shape or values.tobytes() != other.tobytes():
            names.append(name)
    return names


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", help="the .h5 that `thaw weights export` wrote")
    parser.add_argument("--model", required=True, choices=MODELS)
    parser.add_argument("--size", type=int, default=64, help="input size of the model that is built (default 64)")
    wanted_from = parser.add_mutually_exclusive_group(required=True)
    wanted_from.add_argument("--source", help="the Keras .h5 from which the export descends")
    wanted_from.add_argument("--synth", action="store_true", help="expect the deterministic fill")
    options = parser.parse_args()

    try:
        found = load(options.model, options.size, options.export)
        if options.synth:
            wanted = {name: synthetic(name, values.shape) for name, values in found.items()}
        else:
            wanted = load(options.model, options.size, options.source)
    except (OSError, ValueError, KeyError) as error:
        print(f"check_keras_export: {error}", file=sys.stderr)
        return 3

    names = differing(found, wanted)
    for name in names[:10]:
        print(f"differs: {name}")
    print(f"keras {keras.__version__} ({keras.backend.backend()}), {options.model}: "
          f"{len(found) - len(names)} of {len(found)} tensors equal")
    return 5 if names else 0


if __name__ == "__main__":
    sys.exit(main())
