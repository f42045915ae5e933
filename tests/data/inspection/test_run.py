"""The inspection of a data set from Python: one record, and files beside it."""

import json

from inspected import change, data_module, write
from PIL import Image

from gog_pose.data.inspection.run import inspect


def test_the_record_counts_the_findings_of_all_splits(tmp_path):
    for split in ("train", "val"):
        write(tmp_path, split)
    (tmp_path / "train" / "2.jpg").write_bytes(b"no image")
    change(tmp_path, lambda content: content["annotations"][0].update(num_keypoints=16), "val")
    output = tmp_path / "new" / "output"
    record = inspect(data_module(tmp_path), output, previews=2)
    assert (record["errors"], record["warnings"]) == (1, 1)
    assert [(finding["split"], finding["severity"], finding["kind"]) for finding in record["findings"]] == [
        ("train", "error", "image corrupt"), ("val", "warning", "num_keypoints differs"),
    ]  # fmt: skip
    assert record["files_read"] == {"train": 3, "val": 3}
    assert {split: own["images"] for split, own in record["statistics"].items()} == {"train": 2, "val": 3}
    assert record["pictures"] == ["train.png", "val.png"]
    for name in record["pictures"]:
        assert min(Image.open(output / name).size) > 100
    assert {image["id"] for image in json.loads((output / "train_sound.json").read_text())["images"]} == {1, 3}


def test_one_split_is_looked_at_and_the_progress_is_told(tmp_path):
    write(tmp_path)
    seen = []

    def progress(items, title, total):
        seen.append((title, total))
        return items

    record = inspect(data_module(tmp_path), tmp_path / "output", splits=["train"], previews=0, progress=progress)
    assert list(record["statistics"]) == ["train"]
    assert record["pictures"] == []
    assert seen == [("reading train", 3)]


def test_nothing_is_read_without_images(tmp_path):
    write(tmp_path)
    (tmp_path / "train" / "2.jpg").unlink()
    record = inspect(data_module(tmp_path), tmp_path / "output", splits=["train"], read_images=False)
    assert (record["errors"], record["files_read"], record["pictures"]) == (0, {"train": 0}, [])
