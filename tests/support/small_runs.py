"""Overrides that let ``gog-train`` run in a second, on any data, and data that are made in a second."""

from gog_pose.data.synthetic import synthesize

SMALL = [
    "model=hourglass_tiny",
    "model.trunk.channels=[8,12,16]",
    "model.trunk.blocks=[1,1,1]",
    "model.trunk.stem_channels=8",
    "trainer=cpu",
    "trainer.check_val_every_n_epoch=1",
    "trainer.enable_progress_bar=false",
    "augmentation=small",
    "augmentation.crop_size=[64,64]",
    "preprocessing.long_side=64",
    "data.multiple=16",
    "data.batch_size=4",
    "data.num_workers=0",
]


def small_scenes(root, num_train, num_val):
    """Draw a few small scenes into a folder; return it."""
    size = {"image_size": (96, 128), "height_range": (50, 90)}
    synthesize(root, num_train=num_train, num_val=num_val, seed=0, workers=0, **size)
    return root
