"""``gog-export``: write network, normalization and peak search to one file, and check the file.

``format=weights`` writes a compact checkpoint instead, for ``checkpoint=`` and ``init=``.
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from gog_pose.cli.runtime import command, resolved
from gog_pose.errors import InputError

_WEIGHTS = "weights"


@command("export")
def main(config: DictConfig) -> None:
    """Export a checkpoint and print the inputs and outputs of the file."""
    options = resolved(config)
    for option in ("checkpoint", "output"):
        if options[option] is None:
            raise InputError(f"{option}: is not set; give checkpoint=FILE.ckpt output=FILE.onnx")
    output = Path(options["output"])
    if output.is_dir() or not output.parent.is_dir():
        raise InputError(f"output: {output} cannot be written; give a file in an existing folder")

    from gog_pose.checkpoints.compact import write_compact
    from gog_pose.checkpoints.registry import find_weights
    from gog_pose.estimator import PoseEstimator
    from gog_pose.export import Deployable, write_checked
    from gog_pose.export.check import FORMATS, PRECISIONS
    from gog_pose.export.quantization import find_photographs
    from gog_pose.networks import PoseNetwork

    formats = (*FORMATS, _WEIGHTS)
    if options["format"] not in formats:
        raise InputError(f"format: {options['format']!r} is unknown; choose {', '.join(formats)}")
    precision, calibration = str(options["precision"]), options["calibration"]
    if precision not in PRECISIONS:
        raise InputError(f"precision: {precision!r} is unknown; choose {', '.join(PRECISIONS)}")
    if precision != "float32" and options["format"] != "onnx":
        raise InputError(f"precision: {precision} needs format=onnx, got format={options['format']}; leave one out")
    if precision == "int8" and calibration is None:
        raise InputError("calibration: is not set; give photographs, such as calibration='photos/*.jpg'")
    if precision != "int8" and calibration is not None:
        raise InputError("calibration: is used by precision=int8 only; leave it out, or set precision=int8")
    photographs = [] if calibration is None else find_photographs(calibration, output)
    changed = {
        "long_side": options["input"]["long_side"],
        "decoder": {key: value for key, value in options["decoder"].items() if value is not None},
    }
    if options["format"] == _WEIGHTS:
        write_compact(find_weights(options["checkpoint"]), output, **changed)
        print(f"{output}: {output.stat().st_size / 1e6:.1f} MB; for checkpoint= and init=")
        return
    estimator = PoseEstimator.pretrained(options["checkpoint"], **changed)
    assert isinstance(estimator.network, PoseNetwork)
    deployable = Deployable(estimator.network, estimator.decoder, estimator.preprocessing, flip=options["flip"])
    checked = write_checked(deployable, output, options["format"], precision=precision, photographs=photographs)
    difference = checked.difference
    if checked.quantized is not None:
        print(
            f"int8: {checked.quantized.converted} of {checked.quantized.total} convolutions; calibrated with"
            f" {len(photographs)} {'image' if len(photographs) == 1 else 'images'}"
        )
    largest = ", ".join(f"{name} {value:.2g}" for name, value in difference.largest.items())
    print(
        f"checked against PyTorch on {'images of the calibration' if photographs else 'noise'}: {difference.total}"
        f" candidates, {difference.unmatched} unmatched within {checked.tolerance:g} px"
        f" ({difference.missing} missing, {difference.unmatched - difference.missing} additional); largest differences"
        f" of the others: {largest}"
    )
    print(
        f"{output}: {output.stat().st_size / 1e6:.1f} MB; input: images (B, H, W, 3) uint8 RGB, sides multiples of"
        f" {deployable.network.max_stride} px; outputs: {', '.join(deployable.outputs)}"
    )


if __name__ == "__main__":
    main()
