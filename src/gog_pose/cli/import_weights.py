"""``gog-import-weights``: conversion of public weights, of the paper's authors or other programs, to a checkpoint."""

from __future__ import annotations

from omegaconf import DictConfig

from gog_pose.cli.runtime import command, resolved
from gog_pose.errors import InputError


@command("import_weights")
def main(config: DictConfig) -> None:
    """Convert, check and write the weights, and print the number of imported tensors."""
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
        print("the paper starts training from this trunk: gog-train model=hourglass104_centernet")


if __name__ == "__main__":
    main()
