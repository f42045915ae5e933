"""The pass over a data set: every image once, in batches of one input size, for all networks and devices."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from gog_pose.data.annotations import CocoKeypoints
from gog_pose.data.samples import WholeImages
from gog_pose.decoding import GogDecoder
from gog_pose.encoding import PoseEncoder
from gog_pose.estimator import PoseEstimator
from gog_pose.evaluation import CocoKeypointEvaluator, oracle_detections
from gog_pose.evaluation.data_set import batches_of_one_size, find_people, subsets
from gog_pose.imaging.letterbox import InputFormat
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.maps.fields import flip_maps
from gog_pose.maps.records import stacked
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")
PREPROCESSING = Preprocessing(mean=(0, 0, 0), std=(1, 1, 1), long_side=160)
SIZES = [(120, 160), (160, 120), (160, 160), (100, 160), (120, 160)]
STANDING = np.array(
    [(50, 10), (54, 6), (46, 6), (60, 10), (40, 10), (66, 28), (34, 28), (74, 44), (26, 44), (78, 58), (22, 58),
     (60, 60), (40, 60), (61, 80), (39, 80), (62, 98), (38, 98)],
    dtype=np.float32,
)  # fmt: skip


@given(
    sizes=st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), max_size=30),
    batch_size=st.integers(1, 5),
    scales=st.sampled_from([(1,), (0.5, 1, 1.3)]),
)
@settings(deadline=None)
def test_batches_hold_every_image_once_and_one_size_each(sizes, batch_size, scales):
    input_format = InputFormat(Preprocessing(long_side=50), 16, scales)
    batches = batches_of_one_size(np.array(sizes).reshape(-1, 2), input_format, batch_size)
    assert sorted(place for batch in batches for place in batch) == list(range(len(sizes)))
    kinds = [{input_format.sizes(sizes[place]) for place in batch} for batch in batches]
    assert all(len(kind) == 1 for kind in kinds)
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    # As few as can be: of each size at most one batch is not full.
    unfilled = [kind.pop() for batch, kind in zip(batches, kinds, strict=True) if len(batch) < batch_size]
    assert len(unfilled) == len(set(unfilled))


class Known(nn.Module):
    """Predicts the targets of the image whose number its pixels give; mirrored ones the second time.

    The number is the brightness of the image, the same in all its pixels.
    """

    skeleton = SKELETON
    max_stride = 32
    stride = 4

    def __init__(self, samples, flip):
        super().__init__()
        self.samples, self.flip, self.calls = samples, flip, 0

    def forward(self, images):
        """Look the images up."""
        self.calls += 1
        mirrored = self.flip and self.calls % 2 == 0
        numbers = [round(float(image.amax()) * 255) - 1 for image in images]
        targets = [self.samples[number].targets for number in numbers]
        maps = stacked(targets).as_maps()
        return [flip_maps(maps, GogDecoder(SKELETON).fields) if mirrored else maps]


def write_data(root, mirrored):
    """A data set of images of one brightness each, one or two people on each but the last."""
    random = np.random.default_rng(0)
    (root / "val").mkdir(parents=True)
    content = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "person"}]}
    for number, (height, width) in enumerate(SIZES):
        Image.new("RGB", (width, height), (number + 1,) * 3).save(root / f"val/{number}.png")
        content["images"].append({"id": number, "file_name": f"{number}.png", "height": height, "width": width})
        for person in range((2, 1, 2, 1, 0)[number]):
            keypoints = np.zeros((17, 3), np.float32)
            keypoints[:, :2] = STANDING * 0.8 + (60 * person - 10, random.uniform(0, 15)) + random.normal(0, 2, (17, 2))
            outside = (keypoints[:, :2] < 1).any(axis=1) | (keypoints[:, :2] > (width - 2, height - 2)).any(axis=1)
            keypoints[:, 2] = np.where(outside | (random.uniform(size=17) < 0.2), 0, 2)
            if mirrored:
                keypoints[:, 0] = width - 1 - keypoints[:, 0]
                keypoints = keypoints[list(SKELETON.flip_index)]
            keypoints[keypoints[:, 2] == 0] = 0
            found = keypoints[keypoints[:, 2] > 0, :2]
            corner, extent = found.min(axis=0), np.ptp(found, axis=0)
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1, "image_id": number, "category_id": 1, "iscrowd": 0,
                    "keypoints": keypoints.ravel().tolist(), "num_keypoints": len(found),
                    "bbox": [*corner.tolist(), *extent.tolist()], "area": float(extent.prod()) / 2,
                }
            )  # fmt: skip
    path = root / "val.json"
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(params=[False, True], ids=["as it is", "mirrored"])
def data(tmp_path, request):
    return write_data(tmp_path / "data", request.param)


def samples_of(images):
    encoder = PoseEncoder(SKELETON, stride=4, sigma=7.0)
    whole = WholeImages(images, np.arange(len(images)), encoder, PREPROCESSING, 32, encode=True)
    return [whole[index] for index in range(len(images))]


def average_precision(path, flip, batch_size):
    """AP of ground-truth maps in place of the network, and that of the oracle."""
    images = CocoKeypoints(path, path.parent / "val", 17)
    samples = samples_of(images)
    decoder = GogDecoder(SKELETON)
    estimator = PoseEstimator(Known(samples, flip), decoder, PREPROCESSING, flip=flip, batch_size=batch_size)
    answers = find_people(lambda _: estimator, images, np.arange(len(images)))
    found = {image_id: poses.to_coco(image_id) for image_id, poses in answers}
    assert sorted(found) == list(range(len(SIZES)))
    evaluator = CocoKeypointEvaluator(path, SKELETON)
    return evaluator.evaluate(found), evaluator.evaluate(oracle_detections(samples, decoder))


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("flip", [False, True])
def test_ground_truth_maps_in_place_of_the_network_have_the_ap_of_the_oracle(data, flip, batch_size):
    through_estimator, oracle = average_precision(data, flip, batch_size)
    assert 0.5 < oracle["AP"] < 1
    for name, value in oracle.items():
        assert through_estimator[name] == pytest.approx(value, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize("flip", [False, True])
def test_a_mirrored_data_set_has_the_same_ap(tmp_path, flip):
    there, _ = average_precision(write_data(tmp_path / "there", mirrored=False), flip, 1)
    mirrored, _ = average_precision(write_data(tmp_path / "mirrored", mirrored=True), flip, 1)
    # AP_M and AP_L leave out false alarms by their area, which pycocotools takes between all 17 keypoints: those that
    # were not found are at (0, 0), so it depends on how far from there a person is.
    for name in ("AP", "AP50", "AP75", "AR", "AR50", "AR75", "AR_M"):
        assert mirrored[name] == pytest.approx(there[name], abs=1e-6)


def test_subsets_hold_each_other(tmp_path):
    path = write_data(tmp_path / "data", mirrored=False)
    content = json.loads(path.read_text())
    content["annotations"][2] |= {"keypoints": [0] * 51, "num_keypoints": 0}
    path.write_text(json.dumps(content))
    found = subsets(CocoKeypoints(path, None, 17))
    assert {name: indices.tolist() for name, indices in found.items()} == {
        "labelled": [0, 2, 3], "people": [0, 1, 2, 3], "all": [0, 1, 2, 3, 4],
    }  # fmt: skip


class Dying(PoseEstimator):
    """Ends its process without a word, as the system does where memory is short."""

    def predict_views(self, images):
        """Die."""
        import os

        os._exit(9)


def make_dying(device):
    return Dying(Known([], flip=False), GogDecoder(SKELETON), PREPROCESSING, device=device)


def test_a_process_that_dies_is_noticed(tmp_path):
    path = write_data(tmp_path / "data", mirrored=False)
    images = CocoKeypoints(path, path.parent / "val", 17)
    answers = find_people(partial(make_dying), images, np.arange(len(images)), devices=("cpu", "cpu"))
    with pytest.raises(torch.multiprocessing.ProcessExitedException):
        next(answers)
