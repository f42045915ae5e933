"""The oracle from Python: one record, and files only if requested."""

import json

import numpy as np
import pytest
from annotated import HEAD, LEFT_SHIN, RIGHT_SHIN, standing, write_annotations
from PIL import Image

from gog_pose.data.annotation_file import AnnotationFile
from gog_pose.decoding import GogDecoder
from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.evaluation import Oracle
from gog_pose.evaluation.oracle.run import measure
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")
ORACLE = Oracle(PoseEncoder(SKELETON), GogDecoder(SKELETON, reach=0), multiple=64)


@pytest.fixture
def annotations(tmp_path):
    broken = standing(200, 20, [*HEAD, *LEFT_SHIN, *RIGHT_SHIN])
    return write_annotations(tmp_path / "people.json", {1: [standing(20, 20)], 2: [standing(30, 60), broken], 3: []})


def test_the_record_says_what_came_back_and_why(annotations, tmp_path):
    seen = []

    def progress(items, title, total):
        seen.append(total)
        return items

    record = measure(ORACLE, AnnotationFile.of(annotations), progress=progress)
    assert record["AP"] == pytest.approx((2 + 8 * 67 / 101) / 10, abs=1e-4)
    assert record["limits_of_the_graph"]["components"] == pytest.approx(record["AP"], abs=1e-4)
    assert (record["images"], record["people"]["split_by_graph"], record["worst"]) == (2, 1, [])
    assert record["settings"]["annotations"] == str(annotations)
    assert seen == [2]
    assert list(tmp_path.iterdir()) == [annotations]
    assert measure(ORACLE, annotations, limit=1)["AP"] == pytest.approx(1)


def test_pictures_and_people_are_written_where_it_is_asked_for(annotations, tmp_path):
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.full((99, 320, 3), 200, np.uint8)).save(tmp_path / "photos" / "2.jpg")
    output = tmp_path / "new" / "output"
    record = measure(ORACLE, annotations, output=output, images=tmp_path / "photos")
    (worst,) = record["worst"]
    assert worst["people"] == ["split_by_graph"]
    assert "2.jpg: has another size" in worst["blank"]
    assert (output / "worst" / worst["picture"]).is_file()
    assert len(json.loads((output / "people.json").read_text())) == 3


def test_annotations_without_keypoints_are_refused(tmp_path):
    path = write_annotations(tmp_path / "nobody.json", {1: []})
    with pytest.raises(InputError, match=r"nobody\.json has no person with labeled keypoints"):
        measure(ORACLE, path)
