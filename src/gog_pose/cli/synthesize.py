"""``gog-synthesize``: creation of a COCO-format data set of synthetic people."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from gog_pose.cli.runtime import command, resolved


@command("synthesize")
def main(config: DictConfig) -> None:
    """Draw synthetic scenes and write images and annotations."""
    from gog_pose.data.synthetic import synthesize

    options = resolved(config)
    height, width = options["image_size"]
    least, largest = options["height_range"]
    synthesize(
        Path(options["output"]),
        num_train=options["num_train"],
        num_val=options["num_val"],
        seed=options["seed"],
        image_size=(height, width),
        max_people=options["max_people"],
        height_range=(least, largest),
        protectors=options["protectors"],
        workers=options["workers"],
    )


if __name__ == "__main__":
    main()
