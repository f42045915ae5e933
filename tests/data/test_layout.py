"""Where the files of a data set are, by split."""

from pathlib import Path

from gog_pose.data.layout import DataLayout

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
