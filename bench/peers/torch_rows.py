"""Keras' names for the layers of torchvision's networks, and a network trained as a selector of thaw says."""
import json


def layers_by_name(name, model):
    """{Keras' name: module} of every convolution and norm of the base."""
    return resnet_layers(model) if name == "resnet50" else mobilenet_layers(model)


def resnet_layers(model):
    layers = {"conv1_conv": model.conv1, "conv1_bn": model.bn1}
    for stage, blocks in enumerate((model.layer1, model.layer2, model.layer3, model.layer4), 2):
        for number, block in enumerate(blocks, 1):
            prefix = f"conv{stage}_block{number}"
            pairs = {i: (getattr(block, f"conv{i}"), getattr(block, f"bn{i}")) for i in (1, 2, 3)}
            if block.downsample is not None:
                pairs[0] = (block.downsample[0], block.downsample[1])
            for i, (conv, norm) in pairs.items():
                layers[f"{prefix}_{i}_conv"], layers[f"{prefix}_{i}_bn"] = conv, norm
    return layers


def mobilenet_layers(model):
    stem, *blocks, tail = model.features
    layers = {"conv": stem[0], "conv_bn": stem[1], "conv_1": tail[0], "conv_1_bn": tail[1]}
    for number, inverted in enumerate(blocks):
        prefix = "expanded_conv" + (f"_{number}" if number else "")
        parts = list(inverted.block)
        squeeze = [part for part in parts if hasattr(part, "fc1")]
        convs = [part for part in parts if not hasattr(part, "fc1")]
        for suffix, part in zip(("expand", "depthwise", "project")[-len(convs):], convs):
            layers[f"{prefix}_{suffix}"], layers[f"{prefix}_{suffix}_bn"] = part[0], part[1]
        for part in squeeze:
            layers[f"{prefix}_squeeze_excite_conv"] = part.fc1
            layers[f"{prefix}_squeeze_excite_conv_1"] = part.fc2
    return layers


def unfreeze(name, model, head, rows_file):
    """Opens what the file names, {"trainable": [names], "batch_norms": [names on batch statistics]}, and the head; all
    else is frozen and in evaluation mode, so that autograd keeps nothing of what lies before the first open layer."""
    with open(rows_file, encoding="utf-8") as file:
        rows = json.load(file)
    layers = layers_by_name(name, model)
    unknown = [layer for layer in rows["trainable"] + rows["batch_norms"] if layer not in layers]
    if unknown:
        raise SystemExit(f"torch_step: {rows_file}: {name} has no layer '{unknown[0]}' in torchvision")
    model.eval()
    model.requires_grad_(False)
    for module in [layers[layer] for layer in rows["trainable"]] + [head]:
        module.requires_grad_(True)
    for module in [layers[layer] for layer in rows["batch_norms"]] + [head]:
        module.train()
