"""Overrides that let ``gog-train`` run in a second, on any data."""

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
