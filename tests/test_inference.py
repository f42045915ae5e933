"""PoseEstimator: coordinates come back to the original image, whatever its size and whatever lies beside it."""

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from gog_pose.checkpoint import KEY, describe
from gog_pose.decoding import GogDecoder, flip_maps
from gog_pose.decoding.scales import merge_scales
from gog_pose.drawing import draw_poses
from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.geometry import apply_affine, letterbox
from gog_pose.inference import PoseEstimator
from gog_pose.letterboxing import InputFormat, grouped, prepare_image
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
    length=st.integers(50, 400), fixed_height=st.booleans(),
)  # fmt: skip
def test_keypoints_come_back_to_the_original_image_without_bias(height, width, x, y, length, fixed_height):
    x, y = x * width, y * height
    size = {"height": length} if fixed_height else {"long_side": length}
    estimator = PoseEstimator(Seeing(), centroids, PLAIN.resized(**size))
    poses = estimator.predict(spot(height, width, x, y, radius=6))
    np.testing.assert_allclose(poses.keypoints[0, 0, :2], [x, y], atol=0.03)
    assert poses.keypoints[0, 1].tolist() == [0, 0, 0]  # what was not found stays at 0
    network_hw = estimator.network.shape[2:]
    assert (network_hw[0] if fixed_height else max(network_hw)) - length in range(32)
    assert not any(side % 32 for side in network_hw)


@pytest.mark.parametrize("hw", [(1, 500), (500, 1), (1, 1)])
@pytest.mark.parametrize("size", [{"long_side": 96}, {"height": 96}])
def test_extreme_shapes_are_legal_input(hw, size):
    tensor, matrix, *_ = prepare_image(np.full((*hw, 3), 77, np.uint8), PLAIN.resized(**size), 32)
    assert tensor.shape[1] % 32 == tensor.shape[2] % 32 == 0
    assert max(tensor.shape) <= 8 * 96
    assert np.isfinite(np.linalg.inv(matrix)).all()


@pytest.mark.parametrize("size", [{"long_side": 100}, {"height": 70}])
@given(height=st.integers(1, 300), width=st.integers(1, 300))
@settings(max_examples=30, deadline=None)
def test_sizes_are_known_before_an_image_is_read(size, height, width):
    input_format = InputFormat(PLAIN.resized(**size), 32, (0.5, 1, 1.7))
    views = input_format.views(np.zeros((height, width, 3), np.uint8))
    assert input_format.sizes((height, width)) == tuple(tuple(view.tensor.shape[1:]) for view in views)
    assert input_format.scales[0] == 1


def test_prepared_image_lies_at_the_top_left_of_the_mean_colour():
    preprocessing = Preprocessing(long_side=60, channel_order="bgr")
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    tensor, matrix, *_ = prepare_image(image, preprocessing, 64)
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


def test_grouping_by_shape_keeps_every_place_once():
    tensors = [torch.zeros(size) for size in ((3, 4), (2, 2), (3, 4), (1, 1), (2, 2))]
    assert grouped([tensor.shape for tensor in tensors]) == [[0, 2], [1, 4], [3]]


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


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "abacus"}, "device: 'abacus'"),
        ({"precision": "64"}, "precision: '64'"),
        ({"batch_size": 0}, "batch_size"),
        ({"pad_multiple": 48}, "pad_multiple: 48"),
        ({"scales": (0.5, 2)}, "scales"),
        ({"scales": (1, 1)}, "scales"),
        ({"scales": (1, -1)}, "scales"),
    ],
)
def test_senseless_options_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        PoseEstimator(Seeing(), centroids, PLAIN, **options)


def test_long_side_and_height_exclude_each_other():
    assert PLAIN.resized() == PLAIN
    assert PLAIN.resized(height=50).resized(long_side=60) == PLAIN.resized(long_side=60)
    with pytest.raises(InputError, match="exclude each other"):
        PLAIN.resized(long_side=60, height=60)
    with pytest.raises(InputError, match="height: must be 1"):
        PLAIN.resized(height=0)


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


class PerfectAtAnySize(nn.Module):
    """Answers inputs of any size with the targets of people it knows, px of an image of known size."""

    skeleton = SKELETON
    max_stride = 64
    stride = 4

    def __init__(self, people, image_hw, preprocessing):
        super().__init__()
        self.people, self.image_hw = people, image_hw
        self.preprocessing = preprocessing
        self.sizes = []

    def forward(self, images):
        """Find out by the size at which scale the input is, and draw the people there."""
        size = tuple(images.shape[2:])
        self.sizes.append(size)
        (matrix,) = (
            letterbox(self.image_hw, self.preprocessing.scaled(scale).long_side, 64).matrix
            for scale in (0.5, 1, 1.5)
            if letterbox(self.image_hw, self.preprocessing.scaled(scale).long_side, 64).padded_hw == size
        )
        people = self.people.copy()
        people[..., :2] = apply_affine(people[..., :2], matrix)
        targets = PoseEncoder(SKELETON, stride=4, sigma=7.0)(people, np.full(len(people), 50.0), image_size=size)
        return [PoseMaps(targets.heatmaps[None], targets.offsets[None])]


def test_scales_are_merged_where_the_people_are():
    """Maps of half and of one and a half times the size say the same people at the same places."""
    people = two_people()
    preprocessing = Preprocessing(long_side=390)  # no scale is a multiple of the strides
    network = PerfectAtAnySize(people, (200, 260), preprocessing)
    image = np.zeros((200, 260, 3), np.uint8)
    estimator = PoseEstimator(network, GogDecoder(SKELETON), preprocessing, scales=(0.5, 1, 1.5))
    (answer,) = estimator.predict_with_maps([image])
    assert len(set(network.sizes)) == 3
    assert network.sizes[0] == answer.prepared.tensor.shape[1:]
    poses = answer.poses.above(0.3)
    assert len(poses) == 2
    order = np.argsort(poses.keypoints[:, 5, 0])
    np.testing.assert_allclose(poses.keypoints[order, :, :2], people[..., :2], atol=0.25)
    # Near a keypoint the offsets of half the size, brought to px of scale 1, lead to the same place.
    alone, answer = (
        PoseEstimator(network, GogDecoder(SKELETON), preprocessing, scales=scales).predict_with_maps([image])[0]
        for scales in ((1,), (1, 0.5))
    )
    x, y = apply_affine(people[0, 5:6, :2], answer.prepared.matrix)[0] / 4
    cell = (0, slice(2 * SKELETON.limbs.index((5, 7)), 2 * SKELETON.limbs.index((5, 7)) + 2), round(y), round(x))
    torch.testing.assert_close(answer.maps.offsets[cell], alone.maps.offsets[cell], atol=1.0, rtol=0)


def test_scale_one_alone_is_no_merge_at_all():
    maps = PoseMaps(torch.rand(1, 17, 12, 16), torch.randn(1, 38, 12, 16))
    matrix = letterbox((31, 43), 64, 16).matrix[None]
    merged = merge_scales([maps, maps], [matrix, matrix], 4)
    for field in ("heatmaps", "offsets"):
        torch.testing.assert_close(getattr(merged, field), getattr(maps, field), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("hw", [(64, 96), (96, 64)])
def test_with_flip_a_mirrored_image_has_mirrored_people(hw):
    """To the last bit of the maps: no padding lies beside the image, and all limbs have a mirror image of their own."""
    torch.manual_seed(0)
    skeleton = load_skeleton("coco_19_bidirectional")
    network = PoseNetwork(skeleton, Hourglass(stacks=1, channels=(8, 12, 16), blocks=(1, 1, 1), stem_channels=4))
    for head in network.modules():
        if isinstance(head, nn.Conv2d) and head.out_channels in (17, 2 * skeleton.num_limbs):
            nn.init.normal_(head.weight, std=1.0)  # maps full of peaks
    decoder = GogDecoder(skeleton, topk=4)
    estimator = PoseEstimator(network, decoder, Preprocessing(long_side=96), flip=True)
    image = np.random.default_rng(1).integers(0, 256, (*hw, 3), dtype=np.uint8)
    there, mirrored = estimator.predict([image, image[:, ::-1]])
    assert len(there) == len(mirrored) > 3
    back = mirrored.keypoints[:, list(skeleton.flip_index)]
    back[..., 0] = np.where(back[..., 2] > 0, hw[1] - 1 - back[..., 0], 0)
    np.testing.assert_allclose(mirrored.scores, there.scores, atol=1e-5)
    np.testing.assert_allclose(back, there.keypoints, atol=1e-3)


@pytest.mark.parametrize(("precision", "tolerance"), [("32", 0), ("bf16", 0.3), ("fp16", 0.03)])
def test_precision_is_that_of_the_trunk(precision, tolerance):
    torch.manual_seed(0)
    network = PoseNetwork(SKELETON, Hourglass(stacks=1, channels=(8, 12), blocks=(1, 1), stem_channels=4)).eval()
    seen = []
    network.trunk.register_forward_hook(lambda module, inputs, features: seen.append(features[-1].dtype))
    estimator = PoseEstimator(network, GogDecoder(SKELETON), Preprocessing(long_side=64), precision=precision)
    image = np.random.default_rng(3).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    maps = estimator.predict_with_maps([image])[0].maps
    halves = {"32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    assert seen == [halves[precision]]
    assert maps.heatmaps.dtype == torch.float32
    with torch.inference_mode():
        exact = network(prepare_image(image, estimator.preprocessing, 8)[0][None])[-1]
    scale = float(exact.heatmaps.abs().max())
    torch.testing.assert_close(maps.heatmaps, exact.heatmaps, atol=tolerance * scale, rtol=0)


def test_poses_draw_themselves(tmp_path):
    people = two_people()
    image = np.full((200, 260, 3), 90, np.uint8)
    network = Perfect(people, letterbox((200, 260), 260, 64).matrix)
    poses = PoseEstimator(network, GogDecoder(SKELETON), Preprocessing(long_side=260)).predict(image)
    assert poses.skeleton == SKELETON
    Image.fromarray(image).save(tmp_path / "image.png")
    picture = poses.draw(image)
    assert picture.size == (260, 200)
    np.testing.assert_array_equal(picture, draw_poses(image, poses.above(0.25), SKELETON))
    assert (np.asarray(picture) != image).any()
    np.testing.assert_array_equal(poses.draw(tmp_path / "image.png"), picture)
    np.testing.assert_array_equal(poses.draw(Image.fromarray(image), min_score=2.0), image)
    assert len(poses.best(1)) == 1
    assert poses.best(1).scores[0] == poses.scores.max()
    with pytest.raises(ValueError, match="skeleton"):
        Poses(poses.keypoints, poses.scores).draw(image)


def test_poses_become_those_of_supervision():
    supervision = pytest.importorskip("supervision")
    keypoints = np.random.default_rng(0).uniform(1, 50, (2, 17, 3)).astype(np.float32)
    keypoints[1, 4] = 0
    converted = Poses(keypoints, np.array([0.9, 0.4], np.float32)).to_supervision()
    assert isinstance(converted, supervision.KeyPoints)
    np.testing.assert_array_equal(converted.xy, keypoints[..., :2])
    np.testing.assert_array_equal(converted.keypoint_confidence, keypoints[..., 2])
    assert len(Poses(keypoints[:0], np.zeros(0, np.float32)).to_supervision()) == 0


def test_without_supervision_the_package_to_install_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ImportError, match="pip install 'supervision"):
        Poses(np.zeros((0, 17, 3), np.float32), np.zeros(0, np.float32)).to_supervision()


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
    tensor, matrix, *_ = prepare_image(image, estimator.preprocessing, network.max_stride)
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
    assert PoseEstimator.from_checkpoint(checkpoint[0], height=64).preprocessing.height == 64


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
