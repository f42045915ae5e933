"""``gog-export``: write network, normalization and the search for peaks as one file, and check it.

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
    """Export a checkpoint and print what the file takes and gives."""
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
    from gog_pose.export.check import FORMATS
    from gog_pose.networks import PoseNetwork

    formats = (*FORMATS, _WEIGHTS)
    if options["format"] not in formats:
        raise InputError(f"format: {options['format']!r} is unknown; choose {', '.join(formats)}")
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
    difference = write_checked(deployable, output, options["format"])
    largest = ", ".join(f"{name} {value:.1g}" for name, value in difference.largest.items())
    print(
        f"checked against PyTorch on noise: {difference.total} candidates, {difference.unmatched} without a"
        f" counterpart; largest differences: {largest}"
    )
    print(
        f"{output}: {output.stat().st_size / 1e6:.1f} MB; takes images (B, H, W, 3) uint8 RGB, sides multiples of"
        f" {deployable.network.max_stride} px; gives {', '.join(deployable.export.host.record._fields)}"
    )


if __name__ == "__main__":
    main()
