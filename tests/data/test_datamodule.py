"""Batches have the right parts, and randomness differs by worker and epoch and repeats by seed."""

import re

import cv2
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from samples import person, write_folder
from torch.utils.data import DataLoader

from gog_pose.data.augmentation import Augmentation, NoAugmentation
from gog_pose.data.datamodule import PoseDataModule
from gog_pose.data.sampler import CropKey
from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.skeleton import load_skeleton

ENCODER = PoseEncoder(load_skeleton("coco_19"))


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)

    def noise(*hw):
        return random.integers(0, 255, (*hw, 3), dtype=np.uint8)

    images = {f"{place}.png": noise(100, 120) for place in range(8)}
    write_folder(tmp_path, images, [person(image_id) for image_id in range(1, 9)])
    write_folder(
        tmp_path,
        {
            "wide.png": noise(50, 100),
            "tall.png": noise(100, 50),
            "empty.png": noise(50, 100),
            "crowd.png": noise(40, 40),
        },
        [person(1, xy=(40, 25), size=30), person(2, xy=(20, 40), size=30), person(4, (20, 20), labelled=0, iscrowd=1)],
        split="val",
    )
    return tmp_path


def module(root, **options):
    defaults = {
        "encoder": ENCODER,
        "augmentation": Augmentation(crop_size=(64, 64), translation=10),
        "preprocessing": Preprocessing(long_side=64),
        "multiple": 32,
        "batch_size": 4,
        "num_workers": 0,
    }
    data = PoseDataModule(root=str(root), **{**defaults, **options})
    data.setup()
    return data


def epochs(root, workers, seed, num_epochs=2):
    """The images of some epochs, by image id, as a training run would see them."""
    loader = module(root, num_workers=workers, seed=seed).train_dataloader()
    assert isinstance(loader, DataLoader)
    seen = []
    for epoch in range(num_epochs):
        loader.sampler.set_epoch(epoch)
        seen.append({})
        for batch in loader:
            seen[-1].update(zip(batch.image_ids.tolist(), batch.images, strict=True))
    return seen


@pytest.mark.parametrize("encode_on", ["worker", "device"])
def test_training_batches_hold_crops_and_targets(folder, encode_on):
    data = module(folder, encode_on=encode_on)
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert batch.images.shape == (4, 3, 64, 64)
    assert batch.targets.heatmaps.shape == (4, 17, 16, 16)
    assert batch.targets.offsets.shape == (4, 38, 16, 16)
    assert batch.targets.offset_weights.shape == (4, 19, 16, 16)
    assert batch.targets.mask.shape == (4, 1, 16, 16)


class Recorder(pl.LightningModule):
    """Keeps the targets that training and validation steps are given."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = {"train": [], "val": []}

    def training_step(self, batch, batch_idx):
        """Keep a batch of crops."""
        self.seen["train"].append((batch.image_ids.tolist(), batch.images, batch.targets))
        return self.weight**2

    def validation_step(self, batch, batch_idx):
        """Keep whole images, one by one."""
        self.seen["val"] += [([sample.image_id], sample.image, sample.targets) for sample in batch]

    def configure_optimizers(self):
        """Return any optimizer."""
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(data, tmp_path, epochs=1, **options):
    """Train for some epochs; return what the steps saw."""
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=epochs, logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, num_sanity_val_steps=0, default_root_dir=tmp_path, **options,
    )  # fmt: skip
    recorder = Recorder()
    trainer.fit(recorder, datamodule=data)
    return recorder.seen


def recorded(folder, encode_on, workers, refinement, tmp_path):
    """The batches of a short training run."""
    encoder = PoseEncoder(load_skeleton("coco_19"), refinement=refinement)
    data = module(folder, encode_on=encode_on, num_workers=workers, val_batch_size=3, encoder=encoder, val_subset="all")
    return fit(data, tmp_path)


@pytest.mark.filterwarnings("ignore")  # Lightning's advice on so small a run
@pytest.mark.parametrize(("workers", "refinement"), [(0, 3), (1, 0)])
def test_workers_and_device_draw_the_same_targets(folder, tmp_path, workers, refinement):
    """Crops, some with ignored parts, and whole images of several sizes, some without people."""
    by_workers, by_device = (recorded(folder, place, workers, refinement, tmp_path) for place in ("worker", "device"))
    assert [len(by_workers[split]) for split in ("train", "val")] == [2, 4]
    for split in ("train", "val"):
        for (ids, images, ours), (other_ids, other_images, theirs) in zip(
            by_workers[split], by_device[split], strict=True
        ):
            assert ids == other_ids
            assert torch.equal(images, other_images)
            for one, other in zip(ours, theirs, strict=True):
                assert (one is None) == (other is None)
                assert one is None or torch.equal(one, other)
            assert (ours.refinements is None) == (refinement == 0)
    masks = [targets.mask for _, _, targets in by_workers["val"]]
    assert any(not mask.all() for mask in masks)


def test_epochs_differ_and_repeat_by_seed_whoever_loads_them(folder):
    first, second = epochs(folder, workers=0, seed=1)
    assert not any(torch.equal(first[image_id], second[image_id]) for image_id in first)
    for one, again in zip((first, second), epochs(folder, workers=2, seed=1), strict=True):
        assert list(one) == list(again)
        assert all(torch.equal(one[image_id], again[image_id]) for image_id in one)
    other, _ = epochs(folder, workers=0, seed=2)
    assert not any(torch.equal(first[image_id], other[image_id]) for image_id in first)


def test_workers_draw_different_augmentations(tmp_path):
    """Eight copies of one image: no two crops are alike."""
    gray = np.random.default_rng(0).integers(0, 255, (100, 120, 3), dtype=np.uint8)
    write_folder(tmp_path, {f"{i}.png": gray for i in range(8)}, [person(i) for i in range(1, 9)])
    write_folder(tmp_path, {"v.png": gray}, [person(1)], split="val")
    crops = [image for batch in module(tmp_path, num_workers=2).train_dataloader() for image in batch.images]
    assert len(crops) == 8
    assert not any(torch.equal(a, b) for i, a in enumerate(crops) for b in crops[:i])


@pytest.mark.parametrize(("subset", "ids"), [("people", [1, 2, 4]), ("labelled", [1, 2]), ("all", [1, 2, 3, 4])])
def test_validation_subsets(folder, subset, ids):
    assert module(folder, val_subset=subset).val_set.image_ids == ids


def test_evaluation_samples_keep_their_shape_and_their_way_back(folder):
    data = module(folder, val_batch_size=3, encode_on="worker")
    samples = [sample for batch in data.val_dataloader() for sample in batch]
    assert [tuple(sample.image.shape) for sample in samples] == [(3, 32, 64), (3, 64, 32), (3, 64, 64)]
    wide = samples[0]
    peak = wide.targets.heatmaps[0].flatten().argmax().item()
    input_xy = np.array([peak % 16, peak // 16]) * 4 + 1.5
    original = np.linalg.inv(wide.matrix.numpy()) @ [*input_xy, 1]
    np.testing.assert_allclose(original[:2], [25, 10], atol=3.2)  # the person's nose, to half a cell of 100 / 64 px


def damage(root, *names, split="train"):
    """Cut image files off in their middle."""
    for name in names:
        path = root / split / name
        path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.filterwarnings("ignore")  # Lightning's advice on so small a run
@pytest.mark.parametrize("workers", [0, 2])
def test_a_corrupt_image_is_told_once_and_counted_every_epoch(folder, tmp_path, caplog, workers):
    damage(folder, "2.png", "3.png", "7.png")
    fit(module(folder, num_workers=workers, max_corrupt=0.5), tmp_path, epochs=2)
    told = [record.getMessage() for record in caplog.records if record.name == "gog_pose.data.datamodule"]
    named = [message for message in told if "replaced by the next readable image" in message]
    assert sorted(message.partition(": ")[0] for message in named) == [
        str(folder / "train" / name) for name in ("2.png", "3.png", "7.png")
    ]
    counted = [message for message in told if message not in named]
    assert counted == [f"epoch {epoch}: 3 of 8 training images were corrupt and skipped" for epoch in (0, 1)]


@pytest.mark.filterwarnings("ignore")  # Lightning's advice on so small a run
def test_an_epoch_counts_its_own_corrupt_images_only(folder, tmp_path, caplog):
    """One in each epoch, not the same one: never more than one of eight."""
    intact = (folder / "train" / "2.png").read_bytes()

    class Exchange(pl.Callback):
        def on_train_epoch_end(self, *_):
            (folder / "train" / "2.png").write_bytes(intact)
            damage(folder, "5.png")

    damage(folder, "2.png")
    fit(module(folder, max_corrupt=0.13), tmp_path, epochs=2, callbacks=[Exchange()])
    told = [record.getMessage() for record in caplog.records if "corrupt and skipped" in record.getMessage()]
    assert told == [f"epoch {epoch}: 1 of 8 training images were corrupt and skipped" for epoch in (0, 1)]


def test_the_next_image_stands_in_whoever_loads_it_and_no_other_crop_changes(folder):
    intact = epochs(folder, workers=0, seed=1, num_epochs=1)[0]
    damage(folder, "2.png", "7.png")

    def crops(workers):
        batches = list(module(folder, num_workers=workers, seed=1, max_corrupt=0.5).train_dataloader())
        assert sum(len(batch.corrupt) for batch in batches) == 2
        return [crop for batch in batches for crop in zip(batch.image_ids.tolist(), batch.images, strict=True)]

    seen = crops(workers=0)
    assert [image_id for image_id, _ in seen] == [{3: 4, 8: 1}.get(image_id, image_id) for image_id in intact]
    for (image_id, image), (drawn, whole) in zip(seen, intact.items(), strict=True):
        assert torch.equal(image, whole) == (image_id == drawn)
    assert len({image.numpy().tobytes() for _, image in seen}) == len(seen)  # also of the images that stand in
    for (image_id, image), (other_id, other) in zip(seen, crops(workers=2), strict=True):
        assert image_id == other_id
        assert torch.equal(image, other)


@pytest.mark.filterwarnings("ignore")  # Lightning's advice on so small a run
@pytest.mark.parametrize(
    ("names", "share", "words"),
    [
        (["2.png"], 0, r"train.2\.png: the image is damaged"),
        (["2.png", "5.png"], 0.13, "max_corrupt: 2 of the 8 training images .* a share of 0.13; .*the last: .*png"),
        (["1.png", "2.png", "3.png"], 0.25, "the image is damaged|max_corrupt: 3 of the 8"),
        ([f"{place}.png" for place in range(8)], 0.9, r"\.png: the image is damaged"),
    ],
)
@pytest.mark.parametrize("workers", [0, 1])
def test_too_many_corrupt_images_stop_the_run(folder, tmp_path, names, share, words, workers):
    damage(folder, *names)
    with pytest.raises(InputError, match=words):
        fit(module(folder, max_corrupt=share, num_workers=workers), tmp_path)


@pytest.mark.filterwarnings("ignore")  # Lightning's advice on so small a run
@pytest.mark.parametrize("workers", [0, 1])
def test_a_corrupt_validation_image_is_never_left_out(folder, tmp_path, workers):
    damage(folder, "tall.png", split="val")
    with pytest.raises(InputError, match=r"val.tall\.png: the image is damaged"):
        fit(module(folder, max_corrupt=0.9, num_workers=workers), tmp_path)


def test_an_image_of_another_size_than_annotated_is_corrupt(folder):
    small = np.zeros((50, 60, 3), np.uint8)
    cv2.imwrite(str(folder / "train" / "2.png"), small)
    crop = module(folder).train_set[CropKey(epoch=0, item=2)]
    assert crop.image_ids == 4  # the next one
    (problem,) = crop.corrupt
    assert re.search(r"2\.png: is 60x50 px, but .*person_keypoints_train\.json says 120x100; ", problem)


def test_limits_and_mistakes(folder):
    assert len(module(folder, train_limit=5).train_set) == 5
    every = module(folder).train_set
    first = int(every.images.image_ids[every.indices[0]])
    rest = module(folder, train_exclude=[first]).train_set
    assert rest.indices.tolist() == every.indices[1:].tolist()
    assert module(folder, min_area=400, val_subset="labelled").val_set.image_ids == [
        1,
        2,
    ]  # areas: 450, in training 800
    with pytest.raises(InputError, match="no image has a person with labeled keypoints"):
        module(folder, min_area=801)
    with pytest.raises(InputError, match="batch_size: 4 is more than the 3 training images"):
        module(folder, train_limit=3).train_dataloader()
    with pytest.raises(InputError, match="val_subset"):
        module(folder, val_subset="some")
    with pytest.raises(InputError, match=r"data\.max_corrupt: must be a share"):
        module(folder, max_corrupt=1)
    with pytest.raises(InputError, match=r"data\.encode_on: 'here' must be worker or device"):
        module(folder, encode_on="here")


def test_without_augmentation_training_and_evaluation_see_the_same_pixels(folder):
    data = module(
        folder, augmentation=NoAugmentation(crop_size=(64, 64)), val_split="train", multiple=64, encode_on="worker"
    )
    crop = data.train_set[CropKey(epoch=0, item=0)]
    sample = data.val_set[0]
    assert crop.images.shape == sample.image.shape == (3, 64, 64)
    assert (crop.images - sample.image)[:, :52, :63].abs().mean() < 0.15  # warp against resize: rounding only
    torch.testing.assert_close(crop.targets.heatmaps, sample.targets.heatmaps, atol=1e-3, rtol=0)
