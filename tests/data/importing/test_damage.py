"""Damaged, ambiguous and malicious sources are listed and left out, or refused in one line; no partial output."""

import json

import pytest
from exported import (
    SIZE,
    WRITERS,
    coco_content,
    imported_people,
    make_scene,
    scene_for,
    write_coco,
    write_labelme,
    write_yolo,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gog_pose.data.importing.reading import load_yaml, parse_xml
from gog_pose.data.importing.record import Options
from gog_pose.data.importing.run import import_data
from gog_pose.errors import InputError


def reasons(report):
    return [": ".join(part for part in one.values() if part) for one in report["left_out"]]


def test_a_damaged_label_line_and_image_are_named_and_the_rest_is_imported(tmp_path):
    scene = make_scene()
    write_yolo(tmp_path / "in", scene, splits=("train",))
    labels, images = tmp_path / "in/labels/train", tmp_path / "in/images/train"
    lines = (labels / "photo 0.txt").read_text().splitlines()
    (labels / "photo 0.txt").write_text(f"{lines[0]} 0.5\n{lines[1]}\n")
    (images / "photo 1.png").write_bytes(b"")
    report = import_data(tmp_path / "in", tmp_path / "out", name="people", val_share=0)
    first, second = reasons(report)
    assert "photo 1.png: the file is empty" in first + second
    assert "photo 0.txt: line 1: 57 numbers instead of 56" in first + second
    people = imported_people(tmp_path / "out", "train")
    assert {name: len(own) for name, own in people.items()} == {"photo 0.png": 1, "photo 2.png": 2}
    assert report == json.loads((tmp_path / "out/import.json").read_text())


def test_coco_entries_that_break_a_rule_are_named(tmp_path):
    scene = make_scene()
    write_coco(tmp_path / "in", scene)
    file = tmp_path / "in/annotations/person_keypoints_default.json"
    content = coco_content(scene)
    content["annotations"][0]["bbox"] = [1, 2, -3, 4]
    content["annotations"][1]["image_id"] = 99
    content["annotations"][2]["keypoints"][2] = 3
    content["annotations"][3]["category_id"] = 5
    content["annotations"][4]["category_id"] = [1]
    content["images"].append({**content["images"][0], "id": 4, "file_name": "../../secret.png"})
    file.write_text(json.dumps(content))
    report = import_data(tmp_path / "in", tmp_path / "out", name="people")
    said = "\n".join(reasons(report))
    for words in ("annotations[0]: bbox", "no image has the id 99", "annotations[2]: keypoints: visibility",
                  "annotations[4]: category_id", "images[3]"):  # fmt: skip
        assert words in said.replace("annotations[0].bbox", "annotations[0]: bbox").replace("[4].", "[4]: ")
    assert len(report["left_out"]) == 5
    assert report["passed_over"] == {"annotations of other categories": 1}
    assert sum(own["people"] for own in report["counts"].values()) == 1


def test_ambiguous_points_are_named(tmp_path):
    scene = make_scene(images=1)
    write_labelme(tmp_path / "in", scene)
    file = next((tmp_path / "in").glob("*.json"))
    content = json.loads(file.read_text())
    content["shapes"][1]["group_id"] = 2  # a second nose of the other person
    content["shapes"].append({"label": "nose", "points": [[1, 1]], "shape_type": "point", "group_id": None})
    content["shapes"].append({"label": "sky", "points": [[1, 1], [2, 2], [3, 1]], "shape_type": "polygon"})
    file.write_text(json.dumps(content))
    report = import_data(tmp_path / "in", tmp_path / "out", name="people", val_share=0)
    said = "\n".join(reasons(report))
    assert "a second 'nose' of one person" in said
    assert "no group, and no boxes contain the point" in said
    assert report["passed_over"] == {"polygon shapes": 1}


def test_a_keypoint_that_is_not_among_those_given_leaves_its_person_out(tmp_path):
    scene = make_scene(images=1)
    write_labelme(tmp_path / "in", scene)
    names = [name for name in scene.names if name != "nose"]
    with pytest.raises(InputError, match="nose: not among the keypoints"):
        import_data(tmp_path / "in", tmp_path / "out", name="people", options=Options(keypoints=names))
    assert not (tmp_path / "out").exists()


def test_an_image_of_another_size_is_named(tmp_path):
    write_labelme(tmp_path / "in", make_scene())
    Image.new("RGB", (SIZE[0] + 1, SIZE[1])).save(tmp_path / "in/photo 1.png")
    report = import_data(tmp_path / "in", tmp_path / "out", name="people", val_share=0)
    assert "photo 1.png: is 321x240 px, but its annotations are for 320x240" in reasons(report)[0]


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "a/../../secret.png", "..\\secret.png"])
def test_paths_that_leave_the_folder_are_refused(tmp_path, name):
    Image.new("RGB", SIZE).save(tmp_path / "secret.png")
    write_labelme(tmp_path / "in", make_scene())
    file = tmp_path / "in/photo 0.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "imagePath": name}))
    report = import_data(tmp_path / "in", tmp_path / "out", name="people", val_share=0)
    assert len(report["left_out"]) == 1
    assert "photo 0.json" in reasons(report)[0]
    assert not list((tmp_path / "out").rglob("secret*"))
    write_yolo(tmp_path / "yolo", make_scene())
    data = tmp_path / "yolo/data.yaml"
    data.write_text(data.read_text().replace("train: images/train", f"train: '/{name}'"))
    with pytest.raises(InputError, match=r"yolo"):
        import_data(tmp_path / "yolo", tmp_path / "out2", name="people")


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><annotations>&c;</annotations>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotations/>',
        "<a>" * 200 + "</a>" * 200,
        "<annotations>",
        '<?xml version="1.0" encoding="tf-8"?><annotations/>',
        '<?xml version="1.0" encoding="utf-32"?><annotations/>',
        "&undefined;",
        "",
    ],
)
def test_xml_that_expands_or_is_broken_is_refused(tmp_path, text):
    with pytest.raises(InputError):
        parse_xml(text.encode())
    (tmp_path / "annotations.xml").write_text(text)
    with pytest.raises(InputError, match=r"annotations\.xml|no XML file"):
        import_data(tmp_path, tmp_path / "out", format="cvat", name="people")
    assert not (tmp_path / "out").exists()


def test_yaml_aliases_are_refused(tmp_path):
    (tmp_path / "data.yaml").write_text("kpt_shape: &a [1, 2]\nnames: [*a, *a]\n")
    with pytest.raises(InputError, match="aliases"):
        load_yaml(tmp_path / "data.yaml")


def test_nothing_is_overwritten_and_nothing_half_written_remains(tmp_path):
    write_labelme(tmp_path / "in", make_scene())
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        import_data(tmp_path / "in", tmp_path / "out", name="people")

    def interrupted(items, title, total):
        yield next(iter(items))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_data(tmp_path / "in", tmp_path / "new", name="people", progress=interrupted)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_source_of_no_or_several_formats_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        import_data(tmp_path / "none", tmp_path / "out", name="people")
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="no known format; choose format=NAME from yolo"):
        import_data(tmp_path / "in", tmp_path / "out", name="people")
    with pytest.raises(InputError, match="'zip' is unknown"):
        import_data(tmp_path / "in", tmp_path / "out", name="people", format="zip")
    WRITERS["coco"](tmp_path / "in", make_scene())
    WRITERS["cvat"](tmp_path / "in", make_scene())
    with pytest.raises(InputError, match="could be coco or cvat"):
        import_data(tmp_path / "in", tmp_path / "out", name="people")


TEXT_FILES = (".json", ".xml", ".txt", ".yaml")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(format=st.sampled_from(sorted(WRITERS)), data=st.data())
def test_mutated_files_are_imported_named_or_refused_never_a_traceback(tmp_path_factory, format, data):
    root = tmp_path_factory.mktemp("mutated")
    (root / "in").mkdir()
    WRITERS[format](root / "in", scene_for(format, images=1))
    files = sorted(path for path in (root / "in").rglob("*") if path.suffix in TEXT_FILES)
    file = data.draw(st.sampled_from(files))
    text = file.read_text()
    if file.suffix == ".json" and data.draw(st.booleans()):
        content = json.loads(text)
        _mutate(content, data)
        text = json.dumps(content)
    else:
        start = data.draw(st.integers(0, len(text) - 1))
        cut = data.draw(st.integers(0, 30))
        text = (
            text[:start]
            + data.draw(st.sampled_from(["", "0", "-1", "nan", "1e999", '"', "<", "]", "x"]))
            + text[start + cut :]
        )
    file.write_text(text)
    report, refused = None, None
    try:
        report = import_data(root / "in", root / "out", format=format, name="people")
    except InputError as error:
        refused = str(error)
    assert (root / "out").exists() == (refused is None)
    said = [refused] if report is None else [one["reason"] for one in report["left_out"]]
    assert all(line and "\n" not in line for line in said)


VALUES = [None, True, -1, 0, 1.5, 1e300, "", "x", "../a.png", [], [1, [2]], {}, {"a": 1}, "\ud800"]


def _mutate(content, data):
    """Replace one value somewhere by something else."""
    while True:
        keys = sorted(content, key=str) if isinstance(content, dict) else range(len(content))
        key = data.draw(st.sampled_from(list(keys)))
        inner = content[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.integers(0, 3)) == 0:
            content[key] = data.draw(st.sampled_from(VALUES))
            return
        content = inner
