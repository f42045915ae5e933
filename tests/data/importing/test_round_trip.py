"""A scene written in each program's export format comes back unchanged, within the format's rounding."""

import json

import numpy as np
import pytest
import yaml
from exported import COCO, ROUNDING, WRITERS, imported_people, make_scene, scene_for, write_images, write_label_studio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gog_pose.data.importing.record import Options
from gog_pose.data.importing.run import FORMATS, import_data
from gog_pose.skeleton import Skeleton


def imported(root, output, **options):
    """Import and return the people of both splits."""
    report = import_data(root, output, name="people", **options)
    people = {}
    for split in report["counts"]:
        people |= imported_people(output, split)
    return report, people


def assert_same(people, scene, tolerance, same_name=lambda name: name):
    assert set(people) == {same_name(name) for name in scene.images}
    for name, own in scene.images.items():
        for person, other in zip(own, people[same_name(name)], strict=True):
            assert set(other.points) == set(person.points)
            for point, (x, y, v) in person.points.items():
                expected = (x, y, v) if v else (0, 0, 0)
                np.testing.assert_allclose(other.points[point], expected, atol=tolerance + 1e-4, rtol=0)
                assert other.points[point][2] == v


def test_every_format_is_tried():
    assert set(WRITERS) == set(FORMATS)


@pytest.mark.parametrize("format", WRITERS)
def test_a_scene_comes_back(tmp_path, format):
    scene = scene_for(format)
    (tmp_path / "in").mkdir()
    WRITERS[format](tmp_path / "in", scene)
    report, people = imported(tmp_path / "in", tmp_path / "out")
    assert report["format"] == format
    assert report["left_out"] == []
    prefixed = (lambda name: f"1a2b3c4d-{name.replace(' ', '_')}") if format == "label_studio" else (lambda name: name)
    assert_same(people, scene, ROUNDING.get(format, 0), prefixed)
    if format not in ("cvat", "mpii"):  # which have no boxes
        first, expected = next(iter(people.values()))[0], next(iter(scene.images.values()))[0]
        np.testing.assert_allclose(first.box, expected.box, atol=1e-3)
    category = json.loads((tmp_path / "out/annotations/person_keypoints_train.json").read_text())["categories"][0]
    assert tuple(category["keypoints"]) == scene.names


@pytest.mark.parametrize("format", WRITERS)
def test_the_skeleton_yaml_is_that_of_the_scene(tmp_path, format):
    scene = scene_for(format)
    (tmp_path / "in").mkdir()
    WRITERS[format](tmp_path / "in", scene)
    import_data(tmp_path / "in", tmp_path / "out", name="people")
    content = yaml.safe_load((tmp_path / "out/conf/skeleton/people.yaml").read_text())
    assert content.pop("_target_") == "gog_pose.skeleton.Skeleton"
    skeleton = Skeleton(**content)
    assert skeleton.keypoints == scene.names
    if format != "mpii":
        assert set(skeleton.limbs) == set(COCO.limbs)
        assert skeleton.flip_index == COCO.flip_index
        assert skeleton.oks_sigmas == COCO.oks_sigmas
    else:
        assert skeleton.num_limbs == 15
        assert len(skeleton.flip_pairs) == 6
    assert yaml.safe_load((tmp_path / "out/conf/data/people.yaml").read_text())["root"] == str(tmp_path / "out")


def test_keypoints_joined_by_relations_come_back(tmp_path):
    scene = make_scene()
    write_label_studio(tmp_path / "in", scene, join="relation")
    report, people = imported(tmp_path / "in", tmp_path / "out")
    assert report["left_out"] == []
    assert_same(people, scene, 0, lambda name: f"1a2b3c4d-{name.replace(' ', '_')}")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**31),
    count=st.integers(1, 17),
    format=st.sampled_from(sorted(set(WRITERS) - {"mpii", "cvat"})),
)
def test_any_number_of_keypoints_comes_back(tmp_path_factory, seed, count, format):
    root = tmp_path_factory.mktemp("any")
    scene = make_scene(COCO.keypoints[:count], images=2, seed=seed)
    (root / "in").mkdir()
    WRITERS[format](root / "in", scene)
    report, people = imported(root / "in", root / "out", options=Options(keypoints=list(scene.names)))
    assert report["left_out"] == []
    prefixed = (lambda name: f"1a2b3c4d-{name.replace(' ', '_')}") if format == "label_studio" else (lambda name: name)
    assert_same(people, scene, ROUNDING.get(format, 0), prefixed)


def test_images_are_copied_byte_for_byte_or_linked(tmp_path):
    scene = make_scene()
    for link in (False, True):
        root = tmp_path / f"in{link}"
        WRITERS["labelme"](root, scene) if write_images(root, scene) is None else None
        import_data(root, tmp_path / f"out{link}", name="people", link=link, val_share=0)
        for name in scene.images:
            target = tmp_path / f"out{link}/train/{name}"
            assert target.is_symlink() == link
            assert target.read_bytes() == (root / name).read_bytes()
