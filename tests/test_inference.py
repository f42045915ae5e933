"""PoseEstimator: coordinates come back to the original image, whatever its size and whatever lies beside it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from gog_pose.checkpoint import KEY, describe
from gog_pose.decoding import GogDecoder, flip_maps
from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.geometry import apply_affine, letterbox
from gog_pose.inference import PoseEstimator, group_by_shape
from gog_pose.letterboxing import prepare_image
from gog_pose.models import Hourglass, PoseNetwork
from gog_pose.preprocessing import Preprocessing
from gog_pose.records import PoseMaps, Poses
from gog_pose.skeleton import Skeleton, load_skeleton

PLAIN = Preprocessing(mean=(0, 0, 0), std=(1, 1, 1), long_side=96)
SKELETON = load_skeleton("coco_19")


class Seeing(nn.Module):
    """Answers with the image itself; ``centroids`` reads one keypoint from it, the centre of its brightness."""

    skeleton = Skeleton("dot", ("dot", "other"), ((0, 1),), (), (0.1, 0.1))
    max_stride = 32

    def forward(self, images):
        """Remember the size of the input and return it as maps."""
        self.shape = images.shape
        return [PoseMaps(images[:, :1], images[:, :2])]


def centroids(maps):
    poses = []
    for heatmap in maps.heatmaps[:, 0].double():
        y, x = (torch.arange(size, dtype=torch.float64) for size in heatmap.shape)
        total = heatmap.sum()
        dot = [float((heatmap.sum(0) * x).sum() / total), float((heatmap.sum(1) * y).sum() / total), 1.0]
        poses.append(Poses(np.array([[dot, [0, 0, 0]]], np.float32), np.ones(1, np.float32)))
    return poses


def spot(height, width, x, y, radius):
    rows, columns = np.mgrid[:height, :width]
    brightness = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2))
    return np.repeat(np.round(brightness).astype(np.uint8)[..., None], 3, axis=2)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(60, 260), width=st.integers(60, 260), x=st.floats(0.35, 0.65), y=st.floats(0.35, 0.65),
    long_side=st.integers(50, 400),
)  # fmt: skip
def test_keypoints_come_back_to_the_original_image_without_bias(height, width, x, y, long_side):
    x, y = x * width, y * height
    estimator = PoseEstimator(Seeing(), centroids, replace(PLAIN, long_side=long_side))
    poses = estimator.predict(spot(height, width, x, y, radius=6))
    np.testing.assert_allclose(poses.keypoints[0, 0, :2], [x, y], atol=0.03)
    assert poses.keypoints[0, 1].tolist() == [0, 0, 0]  # what was not found stays at 0
    assert max(estimator.network.shape[2:]) - long_side in range(32)
    assert not any(side % 32 for side in estimator.network.shape[2:])


@pytest.mark.parametrize("hw", [(1, 500), (500, 1), (1, 1)])
def test_extreme_shapes_are_legal_input(hw):
    tensor, matrix = prepare_image(np.full((*hw, 3), 77, np.uint8), PLAIN, 32)
    assert tensor.shape[1] % 32 == tensor.shape[2] % 32 == 0
    assert np.isfinite(np.linalg.inv(matrix)).all()


def test_prepared_image_lies_at_the_top_left_of_the_mean_colour():
    preprocessing = Preprocessing(long_side=60, channel_order="bgr")
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    tensor, matrix = prepare_image(image, preprocessing, 64)
    assert tensor.shape == (3, 64, 64)
    np.testing.assert_array_equal(matrix, np.eye(3))
    restored = preprocessing.to_image(tensor)
    np.testing.assert_array_equal(restored[:40, :60], image)
    assert (restored[40:] == preprocessing.border_rgb).all()
    assert (restored[:, 60:] == preprocessing.border_rgb).all()


def test_answers_do_not_depend_on_the_other_images():
    generator = np.random.default_rng(1)
    images = [
        spot(height, width, *generator.uniform(20, 40, 2), radius=4)
        for height, width in ((60, 80), (80, 60), (60, 80), (70, 70), (60, 80), (120, 160))
    ]
    estimator = PoseEstimator(Seeing(), centroids, PLAIN, batch_size=4)
    together = estimator.predict(images)
    for image, poses in zip(images, together, strict=True):
        np.testing.assert_array_equal(poses.keypoints, estimator.predict(image).keypoints)
    assert estimator.predict([]) == []


def test_group_by_shape_keeps_every_place_once():
    tensors = [torch.zeros(size) for size in ((3, 4), (2, 2), (3, 4), (1, 1), (2, 2))]
    assert group_by_shape(tensors) == [[0, 2], [1, 4], [3]]


def test_path_pillow_image_and_array_agree_and_a_path_is_turned_upright(tmp_path):
    image = spot(60, 90, 30, 20, radius=4)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(image).save(tmp_path / "stored.png")
    Image.fromarray(image).save(tmp_path / "turned.png", exif=exif)
    estimator = PoseEstimator(Seeing(), centroids, PLAIN)
    expected = estimator.predict(image).keypoints
    for same in (tmp_path / "stored.png", str(tmp_path / "stored.png"), Image.fromarray(image)):
        np.testing.assert_array_equal(estimator.predict(same).keypoints, expected)
    upright = estimator.predict(np.ascontiguousarray(np.rot90(image, -1))).keypoints
    np.testing.assert_array_equal(estimator.predict(tmp_path / "turned.png").keypoints, upright)


@pytest.mark.parametrize("array", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_arrays_that_are_no_images_are_refused(array):
    with pytest.raises(InputError, match="uint8 RGB"):
        PoseEstimator(Seeing(), centroids, PLAIN).predict(array)


def test_unknown_device_is_refused():
    with pytest.raises(InputError, match="device: 'abacus'"):
        PoseEstimator(Seeing(), centroids, PLAIN, device="abacus")


class Perfect(nn.Module):
    """Answers with the targets of people it knows, mirrored where the input is the mirror image of the first."""

    skeleton = SKELETON
    max_stride = 64

    def __init__(self, people, matrix):
        super().__init__()
        self.people = people.copy()
        self.people[..., :2] = apply_affine(people[..., :2], matrix)
        self.inputs = []

    def forward(self, images):
        """Return what a perfect network would; the second call is about the mirror image."""
        self.inputs.append(images)
        boxes = np.ptp(self.people[..., :2], axis=1)
        encoder = PoseEncoder(SKELETON, stride=4, sigma=7.0)
        targets = encoder(self.people, np.sqrt(boxes.prod(axis=1)), image_size=tuple(images.shape[2:]))
        maps = PoseMaps(targets.heatmaps[None], targets.offsets[None])
        return [flip_maps(maps, SKELETON) if len(self.inputs) == 2 else maps]


def two_people():
    # Upright, facing the camera, well apart; the right one's nose and ankles are not labelled.
    x = [0, 3, -3, 7, -7, 18, -18, 26, -26, 30, -30, 12, -12, 14, -14, 15, -15]
    y = [0, -4, -4, -2, -2, 20, 20, 45, 45, 70, 70, 75, 75, 110, 110, 145, 145]
    person = np.stack([x, y, [2] * 17], axis=1)
    people = np.stack([person + np.array(place) for place in ((70, 30, 0), (190, 25, 0))]).astype(np.float32)
    people[1, [0, 15, 16]] = 0
    return people


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("long_side", [260, 520])
def test_perfect_maps_give_the_people_back(flip, long_side):
    people = two_people()
    image = np.random.default_rng(2).integers(0, 256, (200, 260, 3), dtype=np.uint8)
    network = Perfect(people, letterbox((200, 260), long_side, 64).matrix)
    preprocessing = Preprocessing(long_side=long_side)
    poses = PoseEstimator(network, GogDecoder(SKELETON), preprocessing, flip=flip).predict(image)
    poses = poses.above(0.3)
    assert len(poses) == 2
    order = np.argsort(poses.keypoints[:, 5, 0])
    np.testing.assert_array_equal(poses.keypoints[order, :, 2] > 0, people[..., 2] > 0)
    tolerance = 0 if long_side == 260 else 0.25  # half a pixel of the input, which has twice the size
    np.testing.assert_allclose(poses.keypoints[order, :, :2], people[..., :2], atol=tolerance + 1e-4)
    if flip:
        torch.testing.assert_close(network.inputs[1], network.inputs[0].flip(-1))


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    trunk = Hourglass(stacks=2, channels=(8, 12, 16), blocks=(1, 1, 1), stem_channels=4)
    network = PoseNetwork(SKELETON, trunk, offset_unit=8.0)
    path = tmp_path / "model.ckpt"
    content = {
        KEY: describe(network, GogDecoder(SKELETON, threshold=1e-6, topk=4), Preprocessing(long_side=128)),
        "state_dict": {f"network.{key}": value for key, value in network.state_dict().items()},
    }
    torch.save(content, path)
    return path, content, network


def test_checkpoint_rebuilds_network_decoder_and_preprocessing(checkpoint):
    path, _, network = checkpoint
    estimator = PoseEstimator.from_checkpoint(path)
    assert not estimator.network.training
    assert estimator.skeleton == SKELETON
    assert estimator.decoder == GogDecoder(SKELETON, threshold=1e-6, topk=4)
    assert estimator.preprocessing == Preprocessing(long_side=128)
    image = np.random.default_rng(3).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    tensor, matrix = prepare_image(image, estimator.preprocessing, network.max_stride)
    with torch.inference_mode():
        expected = estimator.decoder(network.eval()(tensor[None])[-1])[0].transformed(np.linalg.inv(matrix))
    poses = estimator.predict(image)
    np.testing.assert_array_equal(poses.keypoints, expected.keypoints)
    np.testing.assert_array_equal(poses.scores, expected.scores)


def test_options_replace_those_of_the_checkpoint(checkpoint):
    estimator = PoseEstimator.from_checkpoint(checkpoint[0], long_side=64, decoder={"threshold": 0.5}, flip=True)
    assert estimator.preprocessing.long_side == 64
    assert estimator.decoder.threshold == 0.5
    assert estimator.flip
    with pytest.raises(InputError, match=r"treshold.*choose from.*threshold"):
        PoseEstimator.from_checkpoint(checkpoint[0], decoder={"treshold": 0.5})
    with pytest.raises(InputError, match="long_side"):
        PoseEstimator.from_checkpoint(checkpoint[0], long_side=0)


def test_weights_that_do_not_fit_are_told_in_one_line(checkpoint):
    path, content, _ = checkpoint
    content["state_dict"].popitem()
    torch.save(content, path)
    with pytest.raises(InputError, match=r"model\.ckpt.*fit") as error:
        PoseEstimator.from_checkpoint(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("field", ["skeleton", "network", "decoder", "preprocessing"])
def test_checkpoint_without_a_field_is_told_in_one_line(checkpoint, field):
    path, content, _ = checkpoint
    del content[KEY][field]
    torch.save(content, path)
    with pytest.raises(InputError, match=rf"model\.ckpt.*{field}"):
        PoseEstimator.from_checkpoint(path)
