"""gog-oracle as users run it: its output, its files, and its one-line errors."""

import json
import subprocess
import sys

import numpy as np
import pytest
from annotated import HEAD, LEFT_SHIN, RIGHT_SHIN, standing, write_annotations
from PIL import Image

from gog_pose.cli.oracle import check
from gog_pose.errors import InputError


def oracle(*overrides, cwd):
    command = [sys.executable, "-m", "gog_pose.cli.oracle", *overrides, "hydra.run.dir=run"]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def people(tmp_path):
    broken = standing(200, 20, [*HEAD, *LEFT_SHIN, *RIGHT_SHIN])
    return write_annotations(tmp_path / "people.json", {1: [standing(20, 20)], 2: [standing(30, 60), broken], 3: []})


def test_prints_and_writes_the_bound_and_what_it_lacks(people, tmp_path):
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.full((240, 320, 3), 200, np.uint8)).save(tmp_path / "photos" / "2.jpg")
    process = oracle(
        f"annotations={people}", "results=out/oracle.json", "output=out", "images=photos", "multiple=64",
        "method.decoder.reach=0", cwd=tmp_path,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    record = json.loads((tmp_path / "out" / "oracle.json").read_text())
    assert record["AP"] == pytest.approx((2 + 8 * 67 / 101) / 10, abs=1e-4)
    assert record["AP_L"] is None  # nobody is that large
    assert record["images"] == 2
    assert record["people"] == {
        "labelled": 3, "lost": 0, "merged": 0, "split_by_decoder": 0, "split_by_graph": 1, "incomplete": 0,
        "misplaced": 0, "intact": 2, "detections": 5,
    }  # fmt: skip
    assert record["recall_lost"]["all"] == pytest.approx(0.8 / 3, abs=1e-6)
    assert record["limits_of_the_graph"]["components"] == pytest.approx(record["AP"], abs=1e-4)
    assert (record["settings"]["skeleton"], record["settings"]["method"]) == ("coco_19", "gog")
    assert record["settings"]["options"]["encoder"]["sigma"] == 7.0
    assert record["versions"]["torch"]
    assert f"{record['AP']:.3f}" in process.stdout
    assert "split by graph" in process.stdout

    persons = json.loads((tmp_path / "out" / "people.json").read_text())
    assert [person["failures"] for person in persons] == [["intact"], ["intact"], ["split_by_graph"]]
    assert [worst["image_id"] for worst in record["worst"]] == [2]
    picture = np.asarray(Image.open(tmp_path / "out" / "worst" / record["worst"][0]["picture"]))
    assert picture.shape == (240 + 8, 2 * 324 + 4, 3)  # two cells of the image's size and gaps of 4 px
    assert abs(int(picture[230, 300, 0]) - 200) < 8  # on the photograph
    assert (tmp_path / "out" / "worst" / "contact_sheet.png").is_file()


def test_the_number_of_processes_changes_nothing(people, tmp_path):
    records = []
    for workers in (0, 2):
        process = oracle(
            f"annotations={people}", f"results={workers}.json", f"workers={workers}", "noise=medium", "limit=2",
            "skeleton=coco_44", cwd=tmp_path,
        )  # fmt: skip
        assert process.returncode == 0, process.stderr
        record = json.loads((tmp_path / f"{workers}.json").read_text())
        assert record.pop("seconds") > 0
        assert record["settings"].pop("workers") == workers
        records.append(record)
    assert records[0] == records[1]
    assert records[0]["settings"]["noise"] == "medium"


def test_centernet_is_measured_by_the_same_command(people, tmp_path):
    process = oracle(f"annotations={people}", "method=centernet", "stride=2", "workers=0", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    record = json.loads((tmp_path / "run" / "results.json").read_text())
    assert record["settings"]["method"] == "centernet"
    assert record["settings"]["options"]["decoder"]["stride"] == 2
    rows = dict(line.split(",") for line in (tmp_path / "run" / "results.csv").read_text().splitlines())
    assert rows["metric"] == "value"
    assert rows["people.intact"] == "3"
    assert rows["AP"] == str(record["AP"])
    # Its offsets lead from the center to all keypoints: no limb is needed to hold a person together.
    assert record["people"]["intact"] == 3


def test_a_picture_without_its_image_is_reported(people, tmp_path):
    (tmp_path / "photos").mkdir()
    process = oracle(f"annotations={people}", "images=photos", "worst=1", "workers=0", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    (line,) = (line for line in process.stderr.splitlines() if "blank canvas" in line)
    assert "2.jpg" in line


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("annotations=absent.json",), "absent.json: no such annotation file"),
        (("annotations=people.json", "skeleton=coco_20"), "coco_16 coco_19"),
        (("annotations=people.json", "noise=extreme"), "heavy light medium none"),
    ],
)
def test_mistakes_are_told_in_one_line_with_code_2(people, tmp_path, overrides, words):
    process = oracle(*overrides, cwd=tmp_path)
    assert process.returncode == 2
    assert words in process.stderr.splitlines()[-1]
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"annotations": None}, "annotations: is not set"),
        ({"images": "absent"}, "images: absent is not a folder"),
    ],
)
def test_senseless_options_are_refused(change, words):
    options = {"annotations": "people.json", "images": None}
    check(options)
    with pytest.raises(InputError, match=words):
        check({**options, **change})
