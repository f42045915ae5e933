"""Visibility in hand-written files of each format, and its conversion to COCO's 0, 1, 2."""

import json

import pytest
from exported import imported_people
from PIL import Image

from gog_pose.data.importing.record import Options
from gog_pose.data.importing.run import import_data


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    Image.new("RGB", (200, 100)).save(folder / "a.png")
    return folder


def points(source, **options):
    """Import one person and return its keypoints in order."""
    output = source.parent / "out"
    report = import_data(source, output, name="x", val_share=0, options=Options(**options))
    assert report["left_out"] == []
    ((person,),) = imported_people(output, "train").values()
    return list(person.points.values())


@pytest.mark.parametrize(
    ("dims", "numbers", "expected"),
    [
        (3, "0.1 0.2 2 0.3 0.4 1 0 0 0", [(20, 20, 2), (60, 40, 1), (0, 0, 0)]),
        (3, "0.1 0.2 2.0 0.3 0.4 1.0 0.5 0.5 0.0", [(20, 20, 2), (60, 40, 1), (0, 0, 0)]),
        (2, "0.1 0.2 0 0 -1 -1", [(20, 20, 2), (0, 0, 0), (0, 0, 0)]),
        (2, "0.1 0.2 0 0.5 1 1", [(20, 20, 2), (0, 50, 2), (200, 100, 2)]),
    ],
)
def test_yolo(source, dims, numbers, expected):
    (source / "data.yaml").write_text(f"train: images\nkpt_shape: [3, {dims}]\nnames: [person]\n")
    (source / "images").mkdir()
    (source / "labels").mkdir()
    (source / "a.png").rename(source / "images/a.png")
    (source / "labels/a.txt").write_text(f"0 0.5 0.5 1 1 {numbers}\n")
    assert points(source) == expected


def test_cvat_skeleton(source):
    write_cvat(
        source,
        '<skeleton label="s"><points label="a" outside="0" occluded="0" points="1.50,2.00"/>'
        '<points label="b" outside="0" occluded="1" points="3,4"/>'
        '<points label="c" outside="1" occluded="0" points="5,6"/></skeleton>',
    )
    assert points(source) == [(1.5, 2, 2), (3, 4, 1), (0, 0, 0)]


def test_cvat_points_of_one_element_are_numbered_or_named(source):
    write_cvat(source, '<points label="person" occluded="0" points="1,2;3,4;5.25,6"></points>')
    assert points(source, keypoints=["x", "y", "z"]) == [(1, 2, 2), (3, 4, 2), (5.25, 6, 2)]


def test_cvat_single_points_are_grouped(source):
    write_cvat(
        source,
        '<points label="nose" occluded="1" points="10,20" group_id="1"/>'
        '<points label="tail" occluded="0" points="30,40" group_id="1"/>'
        '<box label="cat" xtl="5" ytl="5" xbr="50" ybr="60" group_id="1"/>',
    )
    assert points(source) == [(10, 20, 1), (30, 40, 2)]
    ((person,),) = imported_people(source.parent / "out", "train").values()
    assert person.box == (5, 5, 45, 55)


def write_cvat(source, elements):
    (source / "annotations.xml").write_text(
        f'<annotations><image id="0" name="a.png" width="200" height="100">{elements}</image></annotations>'
    )


@pytest.mark.parametrize("choice", ["occluded", "Hidden", "seen"])
def test_label_studio(source, choice):
    sides = {"original_width": 200, "original_height": 100}
    result = [
        {"id": "1", "type": "keypointlabels", "value": {"x": 10, "y": 20, "keypointlabels": ["a"]}, **sides},
        {"id": "1", "type": "choices", "value": {"choices": [choice]}, **sides},
        {"id": "2", "type": "keypointlabels", "value": {"x": 50, "y": 50.5, "keypointlabels": ["b"]}, **sides},
    ]
    task = {"id": 1, "data": {"image": "/data/local-files/?d=a.png"}, "annotations": [{"result": result}]}
    (source / "export.json").write_text(json.dumps([task]))
    assert points(source) == [(20, 20, 2 if choice == "seen" else 1), (100, 50.5, 2)]


@pytest.mark.parametrize(
    ("marks", "visibility"),
    [({}, 2), ({"flags": {"occluded": True}}, 1), ({"flags": {"occluded": False}}, 2), ({"difficult": True}, 1),
     ({"description": "hidden"}, 1), ({"description": "a remark"}, 2)],
)  # fmt: skip
def test_labelme(source, marks, visibility):
    shapes = [{"label": "a", "shape_type": "point", "points": [[1.5, 2]], "group_id": None, **marks}]
    content = {"shapes": shapes, "imagePath": "a.png", "imageWidth": 200, "imageHeight": 100}
    (source / "a.json").write_text(json.dumps(content))
    assert points(source) == [(1.5, 2, visibility)]


@pytest.mark.parametrize(("one_based", "shift"), [(True, 1), (False, 0)])
def test_mpii(source, one_based, shift):
    entry = {"image": "a.png", "joints": [[10, 20], [30, 40], [-1, -1]], "joints_vis": [1, 1, 0], "center": [50, 50]}
    (source / "people.json").write_text(json.dumps([{**entry, "scale": 0.5}]))
    assert points(source, one_based=one_based) == [(10 - shift, 20 - shift, 2), (30 - shift, 40 - shift, 2), (0, 0, 0)]
    ((person,),) = imported_people(source.parent / "out", "train").values()
    assert person.box == (-shift, -shift, 100, 100)  # too few joints: the square of center and scale


def test_an_image_with_an_orientation_is_turned_upright_where_the_program_showed_it_upright(source):
    exif = Image.Exif()
    exif[0x0112] = 6  # quarter turn
    stored = Image.new("RGB", (100, 200))
    stored.putpixel((0, 199), (255, 255, 255))  # upright: the top left corner
    stored.save(source / "a.png", exif=exif)
    shapes = [{"label": "a", "shape_type": "point", "points": [[0, 0]]}]
    (source / "a.json").write_text(
        json.dumps({"shapes": shapes, "imagePath": "a.png", "imageWidth": 200, "imageHeight": 100})
    )
    assert points(source) == [(0, 0, 2)]
    with Image.open(source.parent / "out/train/a.png") as image:
        assert image.size == (200, 100)
        assert image.getexif().get(0x0112, 1) == 1
        assert image.getpixel((0, 0)) == (255, 255, 255)
