"""``gog-import-weights``: public weights of other programs or of the paper's authors to a checkpoint."""

from __future__ import annotations

from omegaconf import DictConfig

from gog_pose.cli.runtime import command, resolved
from gog_pose.errors import InputError


@command("import_weights")
def main(config: DictConfig) -> None:
    """Translate, check and write the weights, and print how many were imported."""
    options = resolved(config)
    for option in ("source", "output"):
        if options[option] is None:
            raise InputError(f"{option}: is not set; give source=FILE.pth output=FILE.ckpt")

    from gog_pose.checkpoints.public import KINDS, import_weights
    from gog_pose.skeleton import load_skeleton

    if options["kind"] not in ("auto", *KINDS):
        raise InputError(f"kind: {options['kind']!r} is unknown; choose auto, {' or '.join(KINDS)}")
    skeletons = {skeleton.num_limbs: skeleton for skeleton in map(load_skeleton, options["skeletons"])}
    imported = import_weights(options["source"], options["output"], options["kind"], skeletons)

    weights = imported.weights
    print(
        f"{options['source']}: kind {weights.kind}; {len(weights.tensors)} tensors imported,"
        f" {imported.num_parameters:,} parameters; none missing"
    )
    print(f"{options['output']}: a complete network for {imported.skeleton.name}: gog-evaluate checkpoint=...")
    if weights.kind == "centernet":
        print("its trunk is what the paper trains from: gog-train model=hourglass104_centernet")


if __name__ == "__main__":
    main()
