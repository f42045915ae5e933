"""Mutated files are used or refused in one line, never with a traceback.

``KINDS`` lists what is mutated: a kind of input is a sound example and a function that uses a mutant of it.
"""

import copy
import json
import math
import random
from typing import NamedTuple

import numpy as np
import pycocotools.mask as rle
import pytest
import yaml
from hydra.errors import InstantiationException
from omegaconf import OmegaConf
from samples import person, write_folder

from gog_pose.cli.runtime import instantiate
from gog_pose.data.annotation_file import AnnotationFile
from gog_pose.data.annotations import CocoKeypoints
from gog_pose.data.inspection.annotations import check_annotations, without_refused
from gog_pose.data.inspection.files import file_jobs
from gog_pose.data.inspection.findings import REFUSED
from gog_pose.decoding import GogDecoder
from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.evaluation.coco import METRICS, CocoKeypointEvaluator
from gog_pose.evaluation.detections import read_detections
from gog_pose.evaluation.errors.analysis import analyse
from gog_pose.evaluation.oracle.noise import MapNoise
from gog_pose.evaluation.oracle.oracle import Oracle
from gog_pose.evaluation.oracle.run import measure
from gog_pose.evaluation.run import evaluate_detections
from gog_pose.skeleton import Skeleton, load_skeleton

COCO = load_skeleton("coco_19")
HOSTILE = [
    None, True, False, 0, 1, 2, -1, 7, 17, 0.5, -0.0, 1e6, 1e7, -1e30, 1e308, 10**30, 2**63, 10**400, math.nan,
    math.inf, -math.inf, "", "0", "1", "person", "nose", "a\nb", "../x", "/etc/passwd", "a\0b", "\ud800", "x" * 5000,
    "zzzz", "o" * 500, [], [[]], [0], [1, 2], [0, 1, 2], [1, 2, 3, 4], [math.nan] * 4, [[0, 0, 9, 0, 9, 9]], [[5, 5]],
    [-1e9, 1e9] * 3, ["a"], {}, {"id": 1}, {"size": [100, 120], "counts": [12000]},
    {"size": [100, 120], "counts": "PPPP"},
]  # fmt: skip


def places(value, path=()):
    """Yield the path of everything in a value, itself left out."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield (*path, key)
        yield from places(item, (*path, key))


def mutant(example, seed):
    """Change an example at one to three places: a value is another, missing, repeated, or of another size."""
    chance = random.Random(seed)
    changed = copy.deepcopy(example)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        everywhere = list(places(changed))
        if not everywhere:
            break
        # Places of every depth alike: most of all places are single coordinates.
        depth = chance.choice(sorted({len(path) for path in everywhere}))
        *path, key = chance.choice([path for path in everywhere if len(path) == depth])
        parent = changed
        for step in path:
            parent = parent[step]
        value, action = parent[key], chance.randrange(10)
        if action < 5:
            parent[key] = copy.deepcopy(chance.choice(HOSTILE))
        elif action == 5:
            del parent[key]
        elif action == 6 and isinstance(parent, list):
            parent.insert(key, copy.deepcopy(value))
        elif action == 7 and type(value) in (int, float):
            parent[key] = value * chance.choice((-1, 0, 0.001, 2, 1000, 1.5))
        elif action == 8 and isinstance(parent, list):
            parent[key] = copy.deepcopy(chance.choice(parent))
        elif isinstance(parent, dict):
            parent[chance.choice(("color", "id", "name"))] = value
    return changed


def outcome(use):
    """Return what a function returns, or the one line by which it refuses its input."""
    try:
        return use(), None
    except InputError as error:
        line = str(error)
    assert "\n" not in line
    assert 10 < len(line) < 2000
    return None, line


class Folder(NamedTuple):
    """A data set: its root, and the content of its annotation file."""

    root: object
    content: dict

    @property
    def path(self):
        """The annotation file."""
        return self.root / "annotations/person_keypoints_train.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two images with people, a crowd by run lengths, an unlabelled person by polygons, and another category."""
    root = tmp_path_factory.mktemp("data")
    gray = np.full((100, 120, 3), 128, dtype=np.uint8)
    crowd = rle.encode(np.asfortranarray(np.pad(np.ones((10, 10), np.uint8), ((80, 10), (100, 10)))))
    people = [
        person(1, xy=(40, 40)),
        person(1, xy=(80, 50), labelled=9, segmentation=[[60, 30, 100, 30, 100, 70]]),
        person(2, labelled=0, segmentation=[[10, 10, 30, 10, 30, 20, 10, 20], [40, 40, 50, 40, 50, 60]]),
        person(2, labelled=0, iscrowd=1, segmentation={**crowd, "counts": crowd["counts"].decode()}),
        person(2, xy=(60, 50), size=30, iscrowd=None, num_keypoints=None),
    ]
    path = write_folder(root, {"a.png": gray, "b.png": gray}, people)
    content = json.loads(path.read_text())
    content["categories"].append({"id": 2, "name": "ball"})
    content["annotations"].append({"id": 9, "image_id": 1, "category_id": 2})
    content["images"][0]["crowdIndex"] = 0.5
    return Folder(root, content)


def use_annotations(folder, content):
    """Reader and inspector agree; whatever the reader takes can be evaluated and decoded."""
    folder.path.write_text(json.dumps(content))
    images_root = folder.root / "train"

    def read():
        file = AnnotationFile.of(folder.path)
        return file, CocoKeypoints(file, images_root, 17)

    taken, refusal = outcome(read)
    checked = check_annotations(folder.path, images_root, COCO)
    findings = [*checked.findings, *file_jobs(checked.images, images_root, folder.path)[1]]
    assert all("\n" not in finding.message for finding in findings)
    refused = {finding.kind for finding in findings if finding.kind in REFUSED}
    assert bool(refused) == (taken is None), f"the inspector says {refused}, the reader {refusal}"
    if checked.content is not None:
        sound = AnnotationFile.checked(copy.deepcopy(without_refused(checked.content, findings)), folder.path)
        CocoKeypoints(sound, images_root, 17)
    # They refuse what the reader does.
    evaluator, _ = outcome(lambda: CocoKeypointEvaluator(folder.path, COCO))
    oracle = Oracle(PoseEncoder(COCO), GogDecoder(COCO), MapNoise(), long_side=64, multiple=32)
    measured, _ = outcome(lambda: measure(oracle, folder.path))
    if taken is None:
        return refusal
    assert evaluator is not None
    file, images = taken
    masks = [images.ignore_mask(index) for index in range(len(images))]
    assert [mask.shape for mask in masks] == [tuple(size) for size in images.sizes.tolist()]
    assert measured is not None or not len(images.with_labelled_people())
    own = {
        image_id: [
            {
                "image_id": image_id,
                "category_id": file.category_id,
                "keypoints": keypoints.ravel().tolist(),
                "score": 0.5,
            }
            for keypoints in images.people(index).keypoints
        ]
        for index, image_id in enumerate(images.image_ids.tolist())
    }
    assert set(METRICS) <= evaluator.evaluate(own).keys()
    outcome(lambda: analyse(file, own, COCO).to_dict())
    return None


def use_detections(folder, content):
    folder.path.write_text(json.dumps(folder.content))
    path = folder.root / "detections.json"
    path.write_text(json.dumps(content))
    record, refusal = outcome(lambda: evaluate_detections(path, COCO, folder.path))
    if record is not None:
        file = AnnotationFile.of(folder.path)
        own = read_detections(path, 17, file.categories).of_images
        outcome(lambda: analyse(file, {image["id"]: own.get(image["id"], []) for image in file.images}, COCO).to_dict())
    return refusal


def use_skeleton(folder, content):
    """A skeleton from YAML, and the annotations with it."""
    try:
        text = yaml.safe_dump({"_target_": "gog_pose.skeleton.Skeleton", **content}, allow_unicode=True)
        node = OmegaConf.create(yaml.safe_load(text))
    except (yaml.YAMLError, UnicodeEncodeError):  # nothing that a file can hold
        return "no YAML"

    def build():
        try:
            return instantiate(node)
        except InstantiationException as error:  # the commands look for the cause, too
            raise error.__cause__ or error from None

    skeleton, refusal = outcome(build)
    if skeleton is not None:
        assert Skeleton(**skeleton.to_dict()) == skeleton
        outcome(lambda: PoseEncoder(skeleton).fields)
        folder.path.write_text(json.dumps(folder.content))
        check_annotations(folder.path, folder.root, skeleton)
        outcome(lambda: CocoKeypointEvaluator(folder.path, skeleton))
    return refusal


def annotations(folder):
    return folder.content


def detections(folder):
    return [
        {
            "image_id": entry["image_id"],
            "category_id": 1,
            "keypoints": entry["keypoints"],
            "score": 0.5,
            "bbox": [1, 2, 3, 4],
        }
        for entry in folder.content["annotations"][:3]
    ]


def skeleton(folder):
    return {
        "name": "hand", "keypoints": ["root", "left", "right", "tip"], "limbs": [[0, 1], [0, 2], [0, 3]],
        "flip_pairs": [[1, 2]], "oks_sigmas": [0.1, 0.05, 0.05, 0.2],
    }  # fmt: skip


# Options of the commands join here.
KINDS = {
    "annotations": (annotations, use_annotations, 1000),
    "detections": (detections, use_detections, 500),
    "skeleton": (skeleton, use_skeleton, 500),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_examples_are_sound(folder, kind):
    example, use, _ = KINDS[kind]
    assert use(folder, example(folder)) is None


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_mutants_are_used_or_refused_in_one_line(folder, kind):
    example, use, count = KINDS[kind]
    refused = 0
    for seed in range(count):
        try:
            refused += use(folder, mutant(example(folder), seed)) is not None
        except Exception as error:
            error.add_note(f"mutant {seed} of the {kind}")
            raise
    assert count * 0.2 < refused < count  # of both enough
