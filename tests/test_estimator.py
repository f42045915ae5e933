"""PoseEstimator: coordinates are those of the original image, for all sizes of images and batches."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from small_networks import network_of
from torch import nn

from gog_pose.checkpoints.description import KEY, describe
from gog_pose.decoding import GogDecoder
from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.estimator import PoseEstimator
from gog_pose.geometry import apply_affine, letterbox
from gog_pose.imaging.letterbox import prepare_image
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.maps.fields import flip_maps
from gog_pose.maps.records import as_batch
from gog_pose.methods.centernet.decoder import CenterDecoder
from gog_pose.methods.centernet.encoder import CenterEncoder
from gog_pose.methods.gog.records import PoseMaps
from gog_pose.methods.people import People
from gog_pose.poses import Poses
from gog_pose.skeleton import Skeleton, load_skeleton

PLAIN = Preprocessing(mean=(0, 0, 0), std=(1, 1, 1), long_side=96)
SKELETON = load_skeleton("coco_19")


class Seeing(nn.Module):
    """Predicts the image itself; ``centroids`` reads one keypoint from it, the center of its brightness."""

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


class Perfect(nn.Module):
    """Predicts the targets of given people, mirrored if the input is the mirror image of the first."""

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
        maps = as_batch(targets).as_maps()
        return [flip_maps(maps, encoder.fields) if len(self.inputs) == 2 else maps]


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
    """Predicts, for inputs of any size, the targets of given people, px of an image of known size."""

    skeleton = SKELETON
    max_stride = 64
    stride = 4

    def __init__(self, encoder, people, image_hw, preprocessing):
        super().__init__()
        self.encoder, self.people, self.image_hw = encoder, people, image_hw
        self.preprocessing = preprocessing
        self.sizes = []

    def forward(self, images):
        """Infer the scale of the input from its size, and render the people at this scale."""
        size = tuple(images.shape[2:])
        self.sizes.append(size)
        (matrix,) = (
            letterbox(self.image_hw, self.preprocessing.scaled(scale).long_side, 64).matrix
            for scale in (0.5, 1, 1.5)
            if letterbox(self.image_hw, self.preprocessing.scaled(scale).long_side, 64).padded_hw == size
        )
        keypoints = self.people.copy()
        keypoints[..., :2] = apply_affine(self.people[..., :2], matrix)
        seen = [person[person[:, 2] > 0, :2] for person in keypoints]
        corners, ends = (np.array([edge(points, axis=0) for points in seen]) for edge in (np.min, np.max))
        boxes = np.concatenate([corners - 4, ends - corners + 8], axis=1).astype(np.float32)
        people = People(keypoints, np.full(len(keypoints), 50.0), boxes)
        return [self.encoder.render(self.encoder.marks(people, size)).as_maps()]


METHODS = [
    (PoseEncoder(SKELETON), GogDecoder(SKELETON)),
    (CenterEncoder(SKELETON), CenterDecoder(SKELETON)),
]


@pytest.mark.parametrize(("encoder", "decoder"), METHODS)
def test_scales_are_merged_where_the_people_are(encoder, decoder):
    """Maps of half and of one and a half times the size say the same people at the same places."""
    people = two_people()
    preprocessing = Preprocessing(long_side=390)  # no scale is a multiple of the strides
    network = PerfectAtAnySize(encoder, people, (200, 260), preprocessing)
    image = np.zeros((200, 260, 3), np.uint8)
    estimator = PoseEstimator(network, decoder, preprocessing, scales=(0.5, 1, 1.5))
    (answer,) = estimator.predict_with_maps([image])
    assert len(set(network.sizes)) == 3
    assert network.sizes[0] == answer.prepared.tensor.shape[1:]
    poses = answer.poses.above(0.3)
    assert len(poses) == 2
    order = np.argsort(poses.keypoints[:, 5, 0])
    labelled = people[..., 2] > 0
    np.testing.assert_array_equal((poses.keypoints[..., 2] > 0)[order] & ~poses.inferred[order], labelled)
    np.testing.assert_allclose(poses.keypoints[order, :, :2][labelled], people[labelled, :2], atol=0.25)


def test_offsets_of_another_scale_lead_to_the_same_place():
    people, image = two_people(), np.zeros((200, 260, 3), np.uint8)
    preprocessing = Preprocessing(long_side=390)
    network = PerfectAtAnySize(PoseEncoder(SKELETON), people, (200, 260), preprocessing)
    alone, answer = (
        PoseEstimator(network, GogDecoder(SKELETON), preprocessing, scales=scales).predict_with_maps([image])[0]
        for scales in ((1,), (1, 0.5))
    )
    x, y = apply_affine(people[0, 5:6, :2], answer.prepared.matrix)[0] / 4
    cell = (0, slice(2 * SKELETON.limbs.index((5, 7)), 2 * SKELETON.limbs.index((5, 7)) + 2), round(y), round(x))
    torch.testing.assert_close(answer.maps.offsets[cell], alone.maps.offsets[cell], atol=1.0, rtol=0)


@pytest.mark.parametrize("hw", [(64, 96), (96, 64)])
def test_with_flip_a_mirrored_image_has_mirrored_people(hw):
    """To the last bit of the maps: no padding lies beside the image, and all limbs have a mirror image of their own."""
    torch.manual_seed(0)
    skeleton = load_skeleton("coco_19_bidirectional")
    network = network_of("gog", skeleton=skeleton.name)
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
    network = network_of("gog").eval()
    seen = []
    network.trunk.register_forward_hook(lambda module, inputs, features: seen.append(features[-1].dtype))
    estimator = PoseEstimator(network, GogDecoder(SKELETON), Preprocessing(long_side=64), precision=precision)
    image = np.random.default_rng(3).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    maps = estimator.predict_with_maps([image])[0].maps
    halves = {"32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    assert seen == [halves[precision]]
    assert maps.heatmaps.dtype == torch.float32
    with torch.inference_mode():
        exact = network(prepare_image(image, estimator.preprocessing, network.max_stride)[0][None])[-1]
    scale = float(exact.heatmaps.abs().max())
    torch.testing.assert_close(maps.heatmaps, exact.heatmaps, atol=tolerance * scale, rtol=0)


def test_poses_come_with_their_skeleton():
    people = two_people()
    network = Perfect(people, letterbox((200, 260), 260, 64).matrix)
    image = np.full((200, 260, 3), 90, np.uint8)
    poses = PoseEstimator(network, GogDecoder(SKELETON), Preprocessing(long_side=260)).predict(image)
    assert poses.skeleton == SKELETON
    assert (np.asarray(poses.draw(image)) != image).any()


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    network = network_of("gog", stacks=2, offset_unit=8.0)
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
