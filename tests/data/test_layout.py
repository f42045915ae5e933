"""Files of a data set by split."""

import json
from pathlib import Path

import numpy as np
import pytest
from samples import person, write_folder

from gog_pose.data.layout import DataLayout
from gog_pose.errors import InputError

ROOT = Path("data")


def test_the_default_is_a_folder_of_coco_format():
    layout = DataLayout(ROOT)
    for split in ("train", "val", "test"):
        assert layout.annotation_file(split) == ROOT / f"annotations/person_keypoints_{split}.json"
        assert layout.image_folder(split) == ROOT / split


def test_a_data_set_may_name_its_splits_and_files_otherwise():
    layout = DataLayout(ROOT, "images/{split}", "{split}/people.json", train_split="train2017", val_split="val2017")
    assert layout.annotation_file("train") == ROOT / "train2017/people.json"
    assert layout.image_folder("val") == ROOT / "images/val2017"
    assert layout.image_folder("test-dev2017") == ROOT / "images/test-dev2017"


def test_files_may_lie_outside_of_the_root():
    assert DataLayout(ROOT, annotations="/other/{split}.json").annotation_file("val") == Path("/other/val.json")


def test_the_category_goes_with_the_layout(tmp_path):
    write_folder(tmp_path, {"a.png": np.zeros((100, 120, 3), np.uint8)}, [person(1), person(1, category_id=2)])
    path = tmp_path / "annotations/person_keypoints_train.json"
    content = json.loads(path.read_text())
    content["categories"].append({**content["categories"][0], "id": 2, "name": "Dog"})
    path.write_text(json.dumps(content))
    assert list(DataLayout(tmp_path).read("train").people) == [0]
    assert list(DataLayout(tmp_path, category="dog").read("train").people) == [1]
    assert list(DataLayout(tmp_path, category=["dog", "person"]).read("train").people) == [0, 1]
    with pytest.raises(InputError, match="category: 7 must be"):
        DataLayout(tmp_path, category=7)
