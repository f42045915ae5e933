"""Prediction from Python: frames to files, correctly placed pictures of maps, constant memory."""

import json
import weakref
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from gog_pose.decoding import GogDecoder
from gog_pose.errors import InputError
from gog_pose.estimator import PoseEstimator, Prediction
from gog_pose.imaging.letterbox import prepare_image
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.media.frames import Frame, ImageFile
from gog_pose.methods import load_method
from gog_pose.methods.gog.records import PoseMaps
from gog_pose.methods.gog.views import VIEWS
from gog_pose.networks import PoseNetwork
from gog_pose.networks.trunks.hourglass import Hourglass
from gog_pose.poses import Poses
from gog_pose.prediction import JsonList, draw_view, predict_files, predicted
from gog_pose.skeleton import load_skeleton


def estimator_of(method, **options):
    """Return an estimator with random weights."""
    torch.manual_seed(0)
    skeleton = load_skeleton("coco_19")
    trunk = Hourglass(stacks=1, channels=(8, 12), blocks=(1, 1), stem_channels=4)
    network = PoseNetwork(skeleton, trunk, load_method(method).heads)
    decoder = load_method(method).decoder(skeleton, threshold=1e-9, topk=2)
    return PoseEstimator(network, decoder, Preprocessing(long_side=64), **options)


@pytest.mark.parametrize("method", ["gog", "centernet"])
def test_a_folder_becomes_overlays_views_and_two_lists(tmp_path, method):
    photos, output = tmp_path / "photos", tmp_path / "new" / "output"
    photos.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{number}.png")
    (photos / "broken.png").write_text("no image")
    views = list(load_method(method).views)
    seen = []

    def progress(items, title, total):
        seen.append(total)
        return items

    record = predict_files(
        estimator_of(method, batch_size=2), str(photos), output, limit=2, views=views, min_score=0, progress=progress
    )
    assert (record.frames, record.images_only, record.interrupted) == (2, True, False)
    assert seen == [2]
    entries = json.loads((output / "predictions.json").read_text())
    assert len(entries) == record.people > 0
    images = json.loads((output / "images.json").read_text())
    assert [image["file_name"] for image in images] == [str(photos / f"{number}.png") for number in range(2)]
    for image in images:
        assert Image.open(output / image["overlay"]).size == (60, 40)
        for view in views:
            assert max(Image.open(output / image[view]).size) == 64
    assert (output / "contact_sheet.png").is_file()

    record = predict_files(estimator_of(method), str(photos), output)
    assert (record.frames, len(record.unreadable)) == (3, 1)
    assert "broken.png" in str(record.unreadable[0])


def test_views_are_those_of_the_method(tmp_path):
    Image.new("RGB", (60, 40)).save(tmp_path / "image.png")
    source, output = str(tmp_path / "image.png"), tmp_path / "output"
    with pytest.raises(InputError, match=r"views: 'centers' is not a view of gog.*; choose heatmaps, offsets$"):
        predict_files(estimator_of("gog"), source, output, views=["heatmaps", "centers"])
    assert not output.exists()
    assert predict_files(estimator_of("centernet"), source, output, views=["centers"]).frames == 1
    assert (output / "image_centers.png").is_file()


def an_answer(keypoints, inferred=None):
    """Return the prediction for an image of 40x128 px, halved: people and a response in cell (5, 2)."""
    skeleton = load_skeleton("coco_19")
    poses = Poses(keypoints, np.ones(len(keypoints), np.float32), inferred)
    heatmaps, offsets = torch.zeros(1, 17, 8, 16), torch.zeros(1, 38, 8, 16)
    heatmaps[0, 0, 2, 5] = 1
    preprocessing = Preprocessing(long_side=64)
    prepared = prepare_image(np.zeros((40, 128, 3), np.uint8), preprocessing, 32)
    estimator = SimpleNamespace(skeleton=skeleton, preprocessing=preprocessing, decoder=GogDecoder(skeleton))
    return Prediction(poses, prepared, PoseMaps(heatmaps, offsets)), poses, estimator


def test_the_view_of_heatmaps_shows_responses_where_they_are():
    prediction, poses, estimator = an_answer(np.zeros((0, 17, 3), np.float32))
    picture = draw_view(VIEWS["heatmaps"], prediction, poses, estimator)
    assert picture.shape == (20, 64, 3)  # without the padding
    rows, columns, _ = np.nonzero(picture > 0.7 * picture.max())
    assert (columns.mean(), rows.mean()) == (5 * 4 + 1.5, 2 * 4 + 1.5)


def test_the_view_of_offsets_shows_the_limbs_of_detected_keypoints_in_their_place():
    skeleton = load_skeleton("coco_19")
    start, end = skeleton.limbs[0]
    keypoints = np.zeros((1, 17, 3), np.float32)
    keypoints[0, start], keypoints[0, end] = (21, 21, 1), (101, 21, 1)  # px of the image; the input has half of them
    prediction, poses, estimator = an_answer(keypoints)
    picture = draw_view(VIEWS["offsets"], prediction, poses, estimator)
    assert picture.shape == (20, 64, 3)
    rows, columns, _ = np.nonzero(picture)  # the offset is 0: a white line shows what is missing, the whole limb
    assert abs(rows.mean() - 10) < 1
    assert columns.min() == pytest.approx(10, abs=3)
    assert columns.max() == pytest.approx(50, abs=3)

    inferred = np.zeros((1, 17), bool)
    inferred[0, end] = True
    prediction, poses, estimator = an_answer(keypoints, inferred)
    assert not draw_view(VIEWS["offsets"], prediction, poses, estimator).any()
    assert (poses.keypoints == keypoints).all()


@pytest.mark.parametrize("batch_size", [1, 4])
def test_no_more_than_a_batch_of_frames_is_in_memory(tmp_path, batch_size):
    alive, most = set(), []

    def frames():
        for number in range(20):
            image = np.zeros((8, 8, 3), np.uint8)
            alive.add(number)
            weakref.finalize(image, alive.discard, number)
            yield Frame(ImageFile(tmp_path), image)

    class Estimator:
        def __init__(self):
            self.batch_size = batch_size

        def predict_with_maps(self, images):
            most.append(len(alive))
            return [float(image.sum()) for image in images]

    assert len(list(map(len, predicted(frames(), Estimator(), Counter())))) == 20
    assert max(most) <= batch_size + 1  # the loop variable of whoever takes the predictions
    assert not alive


@pytest.mark.parametrize("count", [0, 1, 3])
def test_json_list_is_valid_even_when_broken_off(tmp_path, count):
    entries = [{"id": number} for number in range(count)]

    def write():
        with JsonList(tmp_path / "list.json") as written:
            for entry in entries:
                written.append(entry)
            raise KeyboardInterrupt

    (tmp_path / "list.json").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write()
    assert json.loads((tmp_path / "list.json").read_text()) == entries
    assert list(tmp_path.iterdir()) == [tmp_path / "list.json"]


def test_a_list_appears_when_it_is_complete(tmp_path):
    (tmp_path / "list.json").write_text("old")
    with JsonList(tmp_path / "list.json") as written:
        for number in range(10_000):
            written.append({"id": number})
        assert (tmp_path / "list.json").read_text() == "old"
    assert len(json.loads((tmp_path / "list.json").read_text())) == 10_000


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")]
)
def test_an_image_that_memory_does_not_suffice_for_is_left_out(tmp_path, batch_size, error):
    class Estimator:
        def __init__(self):
            self.batch_size = batch_size

        def predict_with_maps(self, images):
            if any(image.shape[0] == 9 for image in images):
                raise error
            return [image.shape[0] for image in images]

    media = [ImageFile(tmp_path / str(number)) for number in range(4)]
    frames = [
        Frame(medium, np.zeros((height, 8, 3), np.uint8)) for medium, height in zip(media, (5, 9, 6, 7), strict=True)
    ]
    too_large = Counter()
    found = list(predicted(frames, Estimator(), too_large))
    assert [(frame.medium, prediction) for frame, prediction in found] == [(media[0], 5), (media[2], 6), (media[3], 7)]
    assert too_large == {media[1]: 1}


def test_another_error_is_not_taken_for_a_lack_of_memory():
    class Estimator:
        batch_size = 1

        def predict_with_maps(self, images):
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        list(predicted([Frame(ImageFile("a"), np.zeros((8, 8, 3), np.uint8))], Estimator(), Counter()))


def test_animations_pages_and_other_files_are_counted(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    first, *others = [Image.new("RGB", (60, 40), (60 * number, 0, 0)) for number in range(4)]
    for name in ("moving.gif", "scan.tif"):
        first.save(photos / name, save_all=True, append_images=others)
    (photos / "notes.txt").touch()
    record = predict_files(estimator_of("gog"), str(photos), tmp_path / "output")
    assert (record.frames, record.images_only, record.unreadable, record.passed_over) == (8, False, [], {".txt": 1})
    images = json.loads((tmp_path / "output" / "images.json").read_text())
    assert [image.get("frame") for image in images] == [0, 1, 2, 3, None, 1, 2, 3]
    assert [image.get("seconds") for image in images] == [0, 0.1, 0.2, 0.3, *[None] * 4]
    assert [image["overlay"] for image in images] == [
        *["moving.mp4"] * 4, "scan.png", "scan_page_2.png", "scan_page_3.png", "scan_page_4.png"
    ]  # fmt: skip
