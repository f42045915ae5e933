"""The pictures show the samples of training and validation with their targets."""

import numpy as np
import torch
from inspected import annotations, data_module, person, write

from gog_pose.data.annotations import CocoKeypoints
from gog_pose.data.inspection import preview
from gog_pose.data.sampler import CropKey
from gog_pose.drawing import keypoint_colors
from gog_pose.encoding import PoseEncoder
from gog_pose.maps.records import as_batch
from gog_pose.methods.gog.views import VIEWS
from gog_pose.methods.method import View
from gog_pose.skeleton import Skeleton


def test_pictures_show_the_very_samples_of_training_and_validation(tmp_path, monkeypatch):
    """The images, people and targets that are drawn are those that the loaders of the data module yield."""
    for split in ("train", "val"):
        write(tmp_path, split)
    drawn, people = [], []

    def keep(image, targets, keypoints, skeleton, stride):
        drawn.append((image, targets, keypoints))
        return image, ""

    def keep_people(image, keypoints, skeleton):
        people.append(keypoints)
        return image

    monkeypatch.setitem(VIEWS, "offsets", View(VIEWS["offsets"].predicted, keep))
    monkeypatch.setattr(preview, "draw_people", keep_people)
    data = data_module(tmp_path, encode_on="worker", seed=3)
    data.setup("fit")
    for split, sheet, load in (
        ("train", preview.training_sheet, lambda item: data.train_set[CropKey(epoch=0, item=item)]),
        ("val", preview.validation_sheet, lambda item: data.val_set[item]),
    ):
        drawn.clear()
        people.clear()
        sheet(data, CocoKeypoints(annotations(tmp_path, split), tmp_path / split, 17), [0, 2])
        for item, shown, (image, targets, keypoints) in zip((0, 2), people, drawn, strict=True):
            sample = load(item)
            assert np.array_equal(shown, keypoints)
            encoded = data.encoder(keypoints, np.ones(len(keypoints)), image.shape[:2])
            assert torch.equal(encoded.heatmaps, sample.targets.heatmaps)
            expected = sample.images if split == "train" else sample.image
            assert np.array_equal(image, data.preprocessing.to_image(expected))
            for field, sampled in zip(targets, as_batch(sample.targets), strict=True):
                assert (field is sampled is None) or torch.equal(field, sampled)


def test_pictures_are_spread_and_some_show_what_is_ignored(tmp_path):
    people = [person(image_id) for image_id in range(1, 8)] + [
        person(image_id, iscrowd=1, xy=(20, 20), size=30) for image_id in (2, 5)
    ]
    write(tmp_path, people=people, num_images=8)
    images = CocoKeypoints(annotations(tmp_path), tmp_path / "train", 17)
    everything = np.ones(8, dtype=bool)
    assert preview.choose(images, 3, everything, with_ignored=False) == [0, 3, 6]
    assert preview.choose(images, 3, everything, with_ignored=True) == [1, 4]
    assert preview.choose(images, 3, np.arange(8) < 2, with_ignored=False) == [0, 1]


def test_taught_offsets_are_lines_from_their_cells_to_where_they_lead():
    skeleton = Skeleton("line", ["start", "left", "right"], [[0, 1], [0, 2]], [[1, 2]], [0.1] * 3)
    encoder = PoseEncoder(skeleton, stride=4, support=1)
    people = np.array([[[21.5, 21.5, 2], [85.5, 21.5, 2], [0, 0, 0]]], dtype=np.float32)
    targets = encoder(people, np.array([60.0]), (96, 96))
    shape = np.zeros((96, 96, 3), np.uint8)
    for cell, on_the_grid in ((5, False), (6, True)):
        moved = people.copy()
        moved[0, 0, :2] = 4 * cell + 1.5
        targets = encoder(moved, np.array([60.0]), (96, 96))
        picture, _ = VIEWS["offsets"].taught(shape, as_batch(targets), moved, skeleton, encoder.stride)
        assert picture.any() == on_the_grid  # every second cell is drawn
    lit = np.argwhere(picture.any(axis=2))
    assert lit[:, 1].min() in (24, 25)
    assert lit[:, 1].max() >= 85
    tip = picture[20:24, 84:88].reshape(-1, 3)
    brightest = tip[tip.sum(axis=1).argmax()]
    np.testing.assert_allclose(brightest / brightest.max(), np.array(keypoint_colors(skeleton)[1]) / 255, atol=0.03)
