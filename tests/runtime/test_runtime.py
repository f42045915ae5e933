"""gog_pose.runtime: the poses of PoseEstimator.from_onnx, without PyTorch."""

from functools import partial

import cv2
import numpy as np
import pytest
import torch
from programs import run_program
from torch import nn

from gog_pose.decoding import GogDecoder
from gog_pose.errors import InputError
from gog_pose.estimator import PoseEstimator
from gog_pose.export import Deployable, write_onnx
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.maps.localize import read_vector_arrays, read_vectors
from gog_pose.methods import load_host, load_method, method_names
from gog_pose.networks import PoseNetwork
from gog_pose.networks.trunks.hourglass import Hourglass
from gog_pose.runtime import PoseRuntime
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")
HEAVY = (
    "torch",
    "pytorch_lightning",
    "lightning",
    "hydra",
    "omegaconf",
    "scipy",
    "albumentations",
    "pycocotools",
    "onnx",
)
BLOCKED = (
    "import sys\n"
    f"heavy = {HEAVY}\n"
    "class Block:\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    "        if name.split('.')[0] in heavy:\n"
    "            raise ModuleNotFoundError(f'{name} is blocked', name=name)\n"
    "sys.meta_path.insert(0, Block())\n"
)


@pytest.fixture(
    scope="module",
    params=[{"localizer": "subpixel"}, {"localizer": "dark"}, {"localizer": "dark", "spread_factor": 4.0}],
    ids=["subpixel", "dark", "spread"],
)
def exported(request, tmp_path_factory):
    """A small file whose maps have peaks."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    torch.manual_seed(0)
    trunk = Hourglass(stacks=1, channels=(8, 12), blocks=(1, 1), stem_channels=8)
    heads = partial(load_method("gog").heads, spread="spread_factor" in request.param)
    network = PoseNetwork(SKELETON, trunk, heads).eval()
    nn.init.normal_(network.heads.heatmap[-1].weight, std=0.5)
    nn.init.normal_(network.heads.offset[-1].weight, std=4.0)
    decoder = GogDecoder(SKELETON, topk=8, threshold=0.01, **request.param)
    path = tmp_path_factory.mktemp("runtime") / "small.onnx"
    write_onnx(Deployable(network, decoder, Preprocessing(long_side=96)), path)
    return path


def photographs():
    random = np.random.default_rng(0)
    for columns in (4, 5, 4, 6, 5):
        coarse = (255 * random.random((5, columns, 3))).astype(np.uint8)
        yield np.ascontiguousarray(cv2.resize(coarse, (20 * columns, 100), interpolation=cv2.INTER_CUBIC))


def assert_equal(ours, theirs):
    np.testing.assert_array_equal(ours.keypoints, theirs.keypoints)
    np.testing.assert_array_equal(ours.scores, theirs.scores)
    np.testing.assert_array_equal(ours.inferred, theirs.inferred)
    assert ours.skeleton == theirs.skeleton


def test_poses_are_those_of_the_estimator_for_one_image_and_for_batches(exported):
    images = list(photographs())
    runtime = PoseRuntime(exported, batch_size=4)
    expected = PoseEstimator.from_onnx(exported, batch_size=4).predict(images)
    assert sum(map(len, expected)) > 20
    for ours, theirs in zip(runtime.predict(images), expected, strict=True):
        assert_equal(ours, theirs)
    changes = {"long_side": 128, "decoder": {"min_keypoints": 3}}
    assert_equal(
        PoseRuntime(exported, **changes).predict(images[0]),
        PoseEstimator.from_onnx(exported, **changes).predict(images[0]),
    )


def test_a_video_gives_the_poses_of_its_frames(exported, tmp_path):
    path = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (80, 100))
    for image in list(photographs())[:1] * 5:
        writer.write(image)
    writer.release()
    runtime = PoseRuntime(exported, batch_size=2)
    found = list(runtime.predict_video(path, every=2))
    assert [frame.number for frame, _ in found] == [0, 2, 4]
    for frame, poses in found:
        np.testing.assert_allclose(poses.keypoints, runtime.predict(frame.image).keypoints, atol=1e-3)
    path.write_bytes(b"no video")
    with pytest.raises(InputError, match=r"video\.avi"):
        list(runtime.predict_video(path))


def test_it_works_where_pytorch_and_the_other_packages_are_not_installed(exported):
    program = (
        f"{BLOCKED}"
        "import numpy\n"
        "from gog_pose.runtime import PoseRuntime\n"
        f"PoseRuntime({str(exported)!r}).predict([numpy.zeros((50, 40, 3), numpy.uint8)])\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in heavy]\n"
    )
    run_program(program)


def test_importing_the_package_or_the_runtime_loads_no_heavy_package():
    program = (
        "import sys, gog_pose, gog_pose.runtime\n"
        "from gog_pose import Poses\n"
        f"loaded = [name for name in sys.modules if name.split('.')[0] in {HEAVY}]\n"
        "assert not loaded, loaded\n"
    )
    run_program(program)


def test_every_method_that_can_be_exported_has_a_host():
    for name in method_names():
        export = load_method(name).export
        if export is None:
            with pytest.raises(InputError, match=f"method: '{name}' cannot be run from an exported file"):
                load_host(name)
        else:
            assert load_host(name) is export.host


def test_what_is_fixed_in_the_file_and_bad_options_are_refused(exported):
    for options, words in (
        ({"decoder": {"topk": 3}}, r"decoder\.topk: is fixed in an exported file"),
        ({"decoder": {"nonsense": 3}}, r"decoder\.nonsense: is not an option of GogDecoder"),
        ({"batch_size": 0}, "batch_size: must be 1 or more"),
        ({"long_side": 0}, "long_side: must be 1 px or more"),
    ):
        with pytest.raises(InputError, match=words):
            PoseRuntime(exported, **options)


def test_vectors_of_arrays_are_those_of_tensors():
    random = np.random.default_rng(0)
    maps = random.normal(size=(2, 3, 2, 5, 7)).astype(np.float32)
    xy = random.uniform(-10, 40, (2, 3, 4, 2)).astype(np.float32)
    expected = read_vectors(torch.from_numpy(maps), torch.from_numpy(xy), 4).numpy()
    np.testing.assert_array_equal(read_vector_arrays(maps, xy, 4), expected)
