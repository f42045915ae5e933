"""The annotation reader keeps COCO's values, and refuses invalid ones in one line."""

import gc
import json
from types import ModuleType

import numpy as np
import pycocotools.mask as rle
import pytest
from samples import person, write_folder

from gog_pose.data.annotation_file import AnnotationFile
from gog_pose.data.annotations import CocoKeypoints
from gog_pose.errors import InputError
from gog_pose.evaluation.coco import CocoKeypointEvaluator
from gog_pose.skeleton import load_skeleton

GREY = np.full((100, 120, 3), 128, dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Three images: two people and a crowd, nobody with keypoints, nobody at all."""
    polygon = [[10, 10, 30, 10, 30, 20, 10, 20]]
    run_lengths = rle.encode(np.asfortranarray(np.pad(np.ones((10, 10), np.uint8), ((80, 10), (100, 10)))))
    run_lengths["counts"] = run_lengths["counts"].decode()
    people = [
        person(2, labelled=0, segmentation=polygon),
        person(1, xy=(40, 40)),
        person(1, xy=(70, 50), labelled=9),
        person(1, xy=(60, 50), size=80, labelled=0, iscrowd=1),
        person(1, labelled=0, iscrowd=1, segmentation=run_lengths),
    ]
    write_folder(tmp_path, {"a.png": GREY, "b.png": GREY, "c.png": GREY}, people)
    return tmp_path


def read(root, **changes):
    return CocoKeypoints(
        root / "annotations/person_keypoints_train.json", root / "train", **{"num_keypoints": 17, **changes}
    )


def test_people_belong_to_their_images(folder):
    images = read(folder)
    assert len(images) == 3
    assert images.people(0).is_labelled.tolist() == [True, True, False, False]
    assert images.people(0).is_crowd.tolist() == [False, False, True, True]
    assert images.people(0).keypoints[1, :, 2].tolist() == [2.0] * 9 + [0.0] * 8
    assert images.people(1).boxes.tolist() == [[40, 40, 40, 40]]
    assert len(images.people(2).boxes) == 0
    assert images.with_labelled_people().tolist() == [0]
    assert images.with_people().tolist() == [0, 1]


def test_crowds_are_ignored_except_where_labelled_people_are(folder):
    mask = read(folder).ignore_mask(0)
    expected = np.zeros((100, 120), dtype=bool)
    expected[10:90, 20:100] = True  # the crowd without an outline: its box
    expected[80:90, 100:110] = True  # the crowd given by run lengths
    expected[20:60, 20:60] = False  # labelled people
    expected[30:70, 50:90] = False
    assert np.array_equal(mask, expected)


def test_people_without_keypoints_are_ignored_in_their_outline(folder):
    mask = read(folder).ignore_mask(1)
    assert mask[12:18, 12:28].all()
    assert abs(int(mask.sum()) - 200) <= 62  # at most the border pixels of a 20 x 10 rectangle
    assert not read(folder).ignore_mask(2).any()


def test_uncompressed_run_lengths_are_read_too(tmp_path):
    counts = [0, 50, 100 * 120 - 50]
    crowd = person(1, labelled=0, iscrowd=1, segmentation={"size": [100, 120], "counts": counts})
    write_folder(tmp_path, {"a.png": GREY}, [crowd])
    mask = read(tmp_path).ignore_mask(0)
    assert mask.sum() == 50
    assert mask[:50, 0].all()


def runs(counts):
    return {"size": [100, 120], "counts": counts}


def python_objects(thing):
    """Return the number of Python containers that an object refers to."""
    seen, waiting = set(), [thing]
    while waiting:
        for other in gc.get_referents(waiting.pop()):
            if gc.is_tracked(other) and id(other) not in seen and not isinstance(other, (type, ModuleType)):
                seen.add(id(other))
                waiting.append(other)
    return len(seen)


def test_reading_leaves_arrays_only_and_no_garbage_is_looked_for(tmp_path):
    """As for three people, so for a thousand, and for a quarter of a million; all loading processes share it."""
    compressed = rle.encode(np.ones((100, 120), np.uint8, "F"))["counts"].decode()
    outlines = [[[10, 10, 30, 10, 30, 20]], runs([0, 50, 11950]), runs(compressed)]
    sizes, collections = [], []
    for count in (1, 400):
        people = [person(1, labelled=k % 2, iscrowd=1 - k % 2, segmentation=outlines[k % 3]) for k in range(3 * count)]
        path = write_folder(tmp_path, {"a.png": GREY}, people)
        gc.collect()
        gc.callbacks.append(lambda phase, info: collections.append(info))
        try:
            images = CocoKeypoints(path, None, 17)
        finally:
            gc.callbacks.pop()
        assert len(images.people(0).boxes) == 3 * count
        sizes.append(python_objects(images))
    assert sizes[0] == sizes[1]
    assert collections == []
    assert gc.isenabled()


@pytest.mark.parametrize("annotations", [None, []])
def test_a_list_of_images_without_people_is_read(tmp_path, annotations):
    """As test-dev's, which has no annotations, and all categories of COCO, none with keypoints."""
    path = write_folder(tmp_path, {"b.png": GREY, "a.png": GREY[:50]}, [], split="test2017")
    content = json.loads(path.read_text())
    del content["annotations"]
    if annotations is not None:
        content["annotations"] = annotations
    content["categories"] = [{"id": 1, "name": "person"}, {"id": 2, "name": "bicycle"}]
    path.write_text(json.dumps(content))
    images = CocoKeypoints(path, tmp_path / "test2017", 17)
    assert images.image_ids.tolist() == [1, 2]
    assert images.read_image(1).shape == (50, 120, 3)
    assert images.people(0).keypoints.shape == (0, 17, 3)
    assert not images.ignore_mask(0).any()
    assert len(images.with_people()) == len(images.with_labelled_people()) == 0


def test_several_crowds_are_ignored_together_and_never_a_labelled_person_inside(tmp_path):
    """Polygons, run lengths and a box, overlapping each other and the person that all of them cover."""
    everywhere = {"size": [100, 120], "counts": [0, 100 * 120]}
    crowds = [
        person(
            1, labelled=0, iscrowd=1, segmentation=[[0, 0, 119, 0, 119, 49, 0, 49], [0, 60, 119, 60, 119, 99, 0, 99]]
        ),
        person(1, labelled=0, iscrowd=1, segmentation=everywhere),
        person(1, xy=(60, 50), size=60, labelled=0, iscrowd=1),
    ]
    write_folder(tmp_path, {"a.png": GREY}, [*crowds[:2], person(1, xy=(60, 50), size=20), crowds[2]])
    mask = read(tmp_path).ignore_mask(0)
    expected = np.ones((100, 120), dtype=bool)
    expected[40:60, 50:70] = False
    assert np.array_equal(mask, expected)


def test_people_below_the_least_area_are_ignored_in_their_outline(tmp_path):
    triangle = [[10, 10, 30, 10, 10, 30]]
    people = [
        person(1, xy=(20, 20), size=20, segmentation=triangle, area=400),
        person(1, xy=(80, 50), size=30, area=401),
    ]
    write_folder(tmp_path, {"a.png": GREY, "b.png": GREY}, [*people, person(2, xy=(20, 20), size=20, area=400)])
    assert read(tmp_path).with_labelled_people().tolist() == [0, 1]
    assert not read(tmp_path).ignore_mask(0).any()
    images = read(tmp_path, min_area=401)
    assert images.people(0).is_labelled.tolist() == [False, True]
    assert images.with_labelled_people().tolist() == [0]
    assert images.with_people().tolist() == [0, 1]
    assert images.ignore_mask(0)[12:18, 12:18].all()
    assert not images.ignore_mask(0)[26:, 26:].any()
    assert images.ignore_mask(1).sum() == 400  # without an outline the box


def change(root, edit):
    path = root / "annotations/person_keypoints_train.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda c: c.pop("images"), "'images' is missing"),
        (lambda c: c.update(annotations={}), "'annotations' is missing"),
        (lambda c: c["images"][0].pop("file_name"), r"images\[0\].file_name"),
        (lambda c: c["annotations"][2].update(image_id=77), r"annotations\[2\].image_id: no image has the id 77"),
        (lambda c: c["annotations"][1].update(bbox=[1, 2, 3]), r"annotations\[1\].bbox"),
        (lambda c: c["annotations"][1].update(bbox=[1, 2, 3, float("nan")]), r"annotations\[1\].bbox"),
        (lambda c: c["annotations"][1].update(bbox=[1, 2, 3, 10**400]), r"annotations\[1\].bbox"),
        (lambda c: c["annotations"][1].update(area=1e39), r"annotations\[1\].area"),
        (
            lambda c: c["annotations"][1]["keypoints"].__setitem__(4, 1e39),
            r"annotations\[1\].keypoints: .*must be three numbers",
        ),
        (lambda c: c["annotations"][0].update(segmentation=[[1, 2, 3]]), r"annotations\[0\].segmentation: must be"),
        (lambda c: c["annotations"][0].update(segmentation=runs([5, 5])), r"annotations\[0\].segmentation: must be"),
        (
            lambda c: c["annotations"][0].update(segmentation=runs([0, 12001, -1])),
            r"annotations\[0\].segmentation: must",
        ),
        (
            lambda c: c["annotations"][0].update(segmentation=runs(["0", 12000])),
            r"annotations\[0\].segmentation: must be",
        ),
        (lambda c: c["annotations"][0].update(segmentation=runs("zzzz")), r"annotations\[0\].segmentation: must be"),
        (lambda c: c["annotations"][0].update(segmentation=runs("")), r"annotations\[0\].segmentation: must be"),
        (
            lambda c: c["annotations"][0].update(segmentation={"size": [100, 120]}),
            r"annotations\[0\].segmentation: must",
        ),
        (lambda c: c["annotations"][1]["keypoints"].pop(), "keypoints: 50 numbers"),
        (lambda c: c["annotations"][1].update(bbox=[1, 2, -3, 4]), r"annotations\[1\].bbox"),
        (lambda c: c["annotations"][1].update(bbox=[1e300, -1e300, 3, 4]), r"annotations\[1\].bbox"),
        (lambda c: c["annotations"][1].update(area=-1), r"annotations\[1\].area"),
        (lambda c: c["annotations"][1].update(image_id=True), r"annotations\[1\].image_id"),
        (lambda c: c["annotations"][1].update(iscrowd="0"), r"annotations\[1\].iscrowd: '0' must be 0 or 1"),
        (lambda c: c["annotations"][1].update(iscrowd=2), r"annotations\[1\].iscrowd"),
        (lambda c: c["annotations"][1].update(iscrowd=float("nan")), r"annotations\[1\].iscrowd"),
        (lambda c: c["annotations"][1].update(num_keypoints="17"), r"annotations\[1\].num_keypoints"),
        (lambda c: c["annotations"][1].update(num_keypoints=1.5), r"annotations\[1\].num_keypoints"),
        (lambda c: c["annotations"][0].update(segmentation=runs("o" * 100_000)), r"annotations\[0\].segmentation"),
        (lambda c: c["annotations"][0].update(segmentation=[[1, 2, 3, 1e9]]), r"annotations\[0\].segmentation"),
        (lambda c: c["annotations"][0].update(segmentation=[[1, 2] * 10_001]), "more than 10,000 points"),
        (lambda c: c["annotations"][0].pop("category_id"), r"annotations\[0\].category_id"),
        (lambda c: c["images"][1].update(height=100_000, width=100_000), r"images\[1\]: .* pixels; .*GOG_MAX_PIXELS"),
        (lambda c: c["images"][1].update(width=10**30), r"images\[1\]: .* pixels"),
        (lambda c: c["images"][1].update(id=2**63), r"images\[1\].id"),
        (lambda c: c["images"][1].update(file_name="x" * 300), r"images\[1\].file_name"),
        (lambda c: c["images"][1].update(file_name="\ud800.jpg"), r"images\[1\].file_name"),
        (lambda c: c["images"][1].update(file_name="a\0.jpg"), r"images\[1\].file_name"),
        (lambda c: c["images"][1].update(crowdIndex="0.5"), r"images\[1\].crowdIndex"),
        (lambda c: c["images"][1].update(id=1), "ids repeat"),
        (lambda c: c["images"][1].update(file_name="gone.jpg"), "'gone.jpg' is not in"),
        (lambda c: c["images"][1].update(file_name="../../secret.jpg"), "secret.jpg"),
        (lambda c: c.update(categories=[]), "one named 'person'"),
    ],
)
def test_contradictions_are_told_by_file_and_field(folder, edit, words):
    change(folder, edit)
    with pytest.raises(InputError, match=words) as error:
        read(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [None, False, 0, 0.0])
def test_a_person_is_single_whatever_says_so(folder, value):
    def edit(content):
        for entry in content["annotations"][:3]:
            entry["iscrowd"] = value

    change(folder, edit)
    assert read(folder).people(0).is_crowd.tolist() == [False, False, True, True]


def test_optional_fields_may_be_null_and_unlabelled_keypoints_anywhere(folder):
    expected = read(folder).people(0)

    def edit(content):
        for entry in content["annotations"]:
            entry.update(num_keypoints=None)
        content["annotations"][2]["keypoints"][-3:] = [float("nan"), 10**400, 0]
        content["annotations"][3].update(keypoints=None)

    change(folder, edit)
    for field, other in zip(read(folder).people(0), expected, strict=True):
        assert np.array_equal(field, other)
    CocoKeypointEvaluator(folder / "annotations/person_keypoints_train.json", load_skeleton("coco_19"))


def test_annotations_of_other_categories_may_be_anything(folder):
    def edit(content):
        content["categories"].append({"id": 2, "name": "ball"})
        content["annotations"] += [
            {"category_id": 2},
            {"category_id": 2, "image_id": 77, "bbox": None, "segmentation": [[1]], "iscrowd": "no", "keypoints": [1]},
            {"category_id": 9, "id": []},
        ]

    change(folder, edit)
    assert [len(read(folder).people(index).boxes) for index in range(3)] == [4, 1, 0]
    evaluator = CocoKeypointEvaluator(folder / "annotations/person_keypoints_train.json", load_skeleton("coco_19"))
    assert evaluator.evaluate({1: []})["AP"] == 0


@pytest.mark.parametrize(
    "outline",
    [
        None, [], [[]], [[], []], [[50, 50]], [[40, 40, 80, 80]], [[40, 40, 80, 40, 60, 40]],
        [[40, 40, 80, 40, 40, 40, 40, 80]], [[500, 500, 600, 500, 600, 600]], [[-9e5, 0, -9e5, 9, -8e5, 9]],
        runs([12000]), runs(rle.encode(np.zeros((100, 120), np.uint8, "F"))["counts"].decode()),
    ],
)  # fmt: skip
def test_an_outline_that_encloses_nothing_is_none_and_the_box_is_ignored(tmp_path, outline):
    write_folder(tmp_path, {"a.png": GREY}, [person(1, xy=(60, 60), size=40, labelled=0, segmentation=outline)])
    mask = read(tmp_path).ignore_mask(0)
    assert mask.sum() == 1600
    assert mask[40:80, 40:80].all()


def test_a_byte_order_mark_is_read_over(folder):
    path = folder / "annotations/person_keypoints_train.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read(folder)) == 3


def test_a_file_that_has_been_read_serves_all_its_readers_and_stays_as_it_is(folder):
    path = folder / "annotations/person_keypoints_train.json"
    file = AnnotationFile.of(path)
    before = json.dumps([file.images, file.people])
    path.unlink()  # nobody looks there again
    assert AnnotationFile.of(file) is file
    for _ in range(2):
        images = CocoKeypoints(file, folder / "train", 17)
        assert images.path == path
        assert [len(images.people(index).boxes) for index in range(3)] == [4, 1, 0]
        CocoKeypointEvaluator(file, load_skeleton("coco_19"))
    assert json.dumps([file.images, file.people]) == before


def test_missing_files_and_broken_json_are_told_by_name(folder):
    path = folder / "annotations/person_keypoints_train.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(InputError, match="not a readable JSON"):
        read(folder)
    for broken in ("[" * 100_000, f'{{"images": {"1" * 5000}}}'):
        path.write_text(broken)
        with pytest.raises(InputError, match="not a readable JSON"):
            read(folder)
    path.unlink()
    with pytest.raises(InputError, match="no such annotation file"):
        read(folder)


def test_another_skeleton_is_told(folder):
    with pytest.raises(InputError, match="the skeleton has 14"):
        read(folder, num_keypoints=14)


def test_reads_all_of_the_real_data(real_data):
    images = CocoKeypoints(real_data / "annotations/person_keypoints_val.json", real_data / "val", 17)
    assert len(images) == 300
    assert len(images.with_labelled_people()) == 266
    assert sum(images.people(i).is_labelled.sum() for i in range(300)) == 810
    assert sum(images.people(i).is_crowd.sum() for i in range(300)) == 28
