"""The evaluation from Python: an estimator and the file of its detections give the same record."""

import json

import numpy as np
import pytest
from annotated import standing, write_annotations
from PIL import Image
from torch import nn

from gog_pose.data.annotation_file import AnnotationFile
from gog_pose.decoding import GogDecoder
from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.estimator import PoseEstimator
from gog_pose.evaluation.run import evaluate, evaluate_detections
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.maps.records import as_batch
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")
SIZE = (128, 192)
MAPS = as_batch(PoseEncoder(SKELETON)(standing(40, 10)[None], np.array([77.0]), SIZE)).as_maps()


class OnePerson(nn.Module):
    """Predicts the same person in every image."""

    skeleton, max_stride, stride = SKELETON, 64, 4

    def forward(self, images):
        """Repeat the maps."""
        return [type(MAPS)(*(None if field is None else field.expand(len(images), -1, -1, -1) for field in MAPS))]


@pytest.fixture
def estimator():
    return PoseEstimator(OnePerson(), GogDecoder(SKELETON), Preprocessing(long_side=SIZE[1]), batch_size=2)


@pytest.fixture
def data(tmp_path):
    """Three images: the person, the person and another one, nobody."""
    people = {1: [standing(40, 10)], 2: [standing(40, 10), standing(100, 20)], 3: []}
    for image_id in people:
        Image.new("RGB", SIZE[::-1]).save(tmp_path / f"{image_id}.jpg")
    return write_annotations(tmp_path / "val.json", people, SIZE)


def test_an_estimator_and_its_detections_have_one_record(estimator, data, tmp_path):
    record = evaluate(estimator, AnnotationFile.of(data), tmp_path, subset="all", output=tmp_path / "new" / "output")
    assert {name: own["images"] for name, own in record["subsets"].items()} == {"labelled": 2, "people": 2, "all": 3}
    # At every threshold two of three people are found: 67 of 101 recall points.
    assert record["subsets"]["labelled"]["AP"] == pytest.approx(67 / 101, abs=0.01)
    assert record["AP"] == record["subsets"]["all"]["AP"] <= record["subsets"]["labelled"]["AP"]
    assert (record["images"], record["people"]) == (3, 3)
    assert record["settings"]["decoder"]["topk"] == 32
    assert record["detections"] == str(tmp_path / "new" / "output" / "detections.json")

    again = evaluate_detections(record["detections"], SKELETON, data, subset="all")
    for name in ("AP", "images", "people", "subsets"):
        assert json.dumps(again[name]) == json.dumps(record[name])  # some metrics are nan


def test_nothing_is_written_unless_it_is_asked_for(estimator, data, tmp_path):
    before = sorted(tmp_path.iterdir())
    record = evaluate(estimator, data, tmp_path, limit=1)
    assert record["detections"] is None
    assert record["AP"] == pytest.approx(1)
    assert sorted(tmp_path.iterdir()) == before


def test_a_report_adds_the_errors(estimator, data, tmp_path):
    record = evaluate(estimator, data, tmp_path, report=tmp_path / "report")
    assert record["errors"]["people"]["false_negative"] == 1
    assert (tmp_path / "report" / "errors.html").is_file()


def test_images_without_annotations_have_detections_but_no_metrics(estimator, data, tmp_path):
    content = json.loads(data.read_text())
    del content["annotations"]
    data.write_text(json.dumps(content))
    record = evaluate(estimator, data, tmp_path, split="test", output=tmp_path / "output")
    assert (record["subset"], record["subsets"], record["people"]) == ("all", {}, 3)
    assert "AP" not in record
    assert record["detections"].endswith("person_keypoints_test_gog_results.zip")
    with pytest.raises(InputError, match="has no people to compare detections with"):
        evaluate_detections(tmp_path / "output/person_keypoints_test_gog_results.json", SKELETON, data)
    with pytest.raises(InputError, match=r"report: .* has no people"):
        evaluate(estimator, data, tmp_path, report=tmp_path / "report")


@pytest.mark.parametrize(
    ("options", "words"),
    [({"subset": "some"}, "subset: 'some'"), ({"report": "val.json"}, "report: val.json cannot be created")],
)
def test_mistakes_are_reported_before_any_image_is_read(estimator, data, tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimator, "predict_views", lambda images: pytest.fail("an image was read"))
    with pytest.raises(InputError, match=words):
        evaluate(estimator, data, tmp_path, **options)
