"""Names and shapes in the public Hourglass-104 checkpoints, written down as their network is built."""

DIMS, BLOCKS = [256, 256, 384, 384, 384, 512], [2, 2, 2, 2, 2, 4]


def trunk_tensors():
    names = {}

    def norm(prefix, channels):
        for field in ("weight", "bias", "running_mean", "running_var"):
            names[f"{prefix}.{field}"] = [channels]
        names[f"{prefix}.num_batches_tracked"] = []

    def conv(prefix, before, after, kernel):
        names[f"{prefix}.weight"] = [after, before, kernel, kernel]

    def residual(prefix, before, after, stride=1):
        conv(f"{prefix}.conv1", before, after, 3)
        norm(f"{prefix}.bn1", after)
        conv(f"{prefix}.conv2", after, after, 3)
        norm(f"{prefix}.bn2", after)
        if stride != 1 or before != after:
            conv(f"{prefix}.skip.0", before, after, 1)
            norm(f"{prefix}.skip.1", after)

    def hourglass(prefix, dims, blocks):
        outer, inner = dims[:2]
        for block in range(blocks[0]):
            residual(f"{prefix}.up1.{block}", outer, outer)
            residual(f"{prefix}.low1.{block}", outer if block == 0 else inner, inner, 2 if block == 0 else 1)
            residual(f"{prefix}.low3.{block}", inner, outer if block == blocks[0] - 1 else inner)
        if len(dims) > 2:
            hourglass(f"{prefix}.low2", dims[1:], blocks[1:])
        else:
            for block in range(blocks[1]):
                residual(f"{prefix}.low2.{block}", inner, inner)

    conv("pre.0.conv", 3, 128, 7)
    norm("pre.0.bn", 128)
    residual("pre.1", 128, 256, 2)
    for stack in (0, 1):
        hourglass(f"kps.{stack}", DIMS, BLOCKS)
        conv(f"cnvs.{stack}.conv", 256, 256, 3)
        norm(f"cnvs.{stack}.bn", 256)
    residual("inters.0", 256, 256)
    for prefix in ("inters_.0", "cnvs_.0"):
        conv(f"{prefix}.0", 256, 256, 1)
        norm(f"{prefix}.1", 256)
    return names


def offsetguided_tensors(limbs):
    names = {f"basenet.{name}": shape for name, shape in trunk_tensors().items()}
    for stack in (0, 1):
        for head, channels in (("0.hp_convs", 17), ("1.reg_convs", 2 * limbs)):
            names[f"headnets.{head}.{stack}.weight"] = [channels, 256, 1, 1]
            names[f"headnets.{head}.{stack}.bias"] = [channels]
    return names


def centernet_tensors():
    names = trunk_tensors()
    for head, channels in {"hm": 1, "wh": 2, "hps": 34, "reg": 2, "hm_hp": 17, "hp_offset": 2}.items():
        for stack in (0, 1):
            names[f"{head}.{stack}.0.conv.weight"] = [256, 256, 3, 3]
            names[f"{head}.{stack}.0.conv.bias"] = [256]
            names[f"{head}.{stack}.1.weight"] = [channels, 256, 1, 1]
            names[f"{head}.{stack}.1.bias"] = [channels]
    return names
