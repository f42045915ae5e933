"""``gog-export``: write network, normalisation and the search for peaks and limbs as one file, and check it."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from gog_pose.cli.runtime import command, resolved
from gog_pose.errors import InputError

_UNMATCHED = 0.01  # of all candidates: where a surface is flat, rounding moves its maximum by more than the tolerance


@command("export")
def main(config: DictConfig) -> None:
    """Export, compare with PyTorch, and only then put the file in its place."""
    options = resolved(config)
    for option in ("checkpoint", "output"):
        if options[option] is None:
            raise InputError(f"{option}: is not set; give checkpoint=FILE.ckpt output=FILE.onnx")
    if options["format"] not in ("onnx", "torch"):
        raise InputError(f"format: {options['format']!r} is unknown; choose onnx or torch")
    output = Path(options["output"])
    if output.is_dir() or not output.parent.is_dir():
        raise InputError(f"output: {output} cannot be written; give a file in a folder that is there")

    from gog_pose.decoding.decoder import Candidates
    from gog_pose.export import Deployable, OnnxNetwork, write_onnx, write_torch
    from gog_pose.export.check import TOLERANCE, worst_case
    from gog_pose.export.files import read_torch, require
    from gog_pose.files import replaced
    from gog_pose.inference import PoseEstimator
    from gog_pose.models import PoseNetwork

    if options["format"] == "onnx":
        require("onnx", "onnxscript", "onnxruntime")
    estimator = PoseEstimator.from_checkpoint(
        options["checkpoint"],
        long_side=options["input"]["long_side"],
        decoder={key: value for key, value in options["decoder"].items() if value is not None},
    )
    assert isinstance(estimator.network, PoseNetwork)
    deployable = Deployable(estimator.network, estimator.decoder, estimator.preprocessing, flip=options["flip"])
    with replaced(output) as part:
        if options["format"] == "onnx":
            write_onnx(deployable, part)
            network = OnnxNetwork(part)
            difference = worst_case(deployable, lambda images: network(images)[-1])
        else:
            write_torch(deployable, part)
            module = read_torch(part)
            difference = worst_case(deployable, lambda images: Candidates(*module(images)))
        if difference.unmatched > _UNMATCHED * difference.total:
            raise InputError(
                f"output: {difference.unmatched} of {difference.total} candidates of the file differ from PyTorch's by"
                f" more than {TOLERANCE} px; {part.name} is left for inspection, {output} was not written"
            )
    print(
        f"checked against PyTorch on noise: {difference.total} candidates, {difference.unmatched} without a counterpart"
        f" within {TOLERANCE} px; largest difference {difference.xy:.1g} px,"
        f" {difference.responses:.1g} of a response, {difference.guides:.1g} px of a guide"
    )
    print(
        f"{output}: {output.stat().st_size / 1e6:.1f} MB; images (B, H, W, 3) uint8 RGB, sides multiples of"
        f" {deployable.network.max_stride} -> xy, responses, guides"
    )


if __name__ == "__main__":
    main()
