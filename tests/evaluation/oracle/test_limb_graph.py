"""Limits of the limb graph: hand-computed cases, and val2017."""

import numpy as np
import pytest
from annotated import HEAD, LEFT_SHIN, RIGHT_SHIN, standing

from gog_pose.data.annotations import CocoKeypoints
from gog_pose.evaluation import CocoKeypointEvaluator, best_possible_poses
from gog_pose.evaluation.oracle.limb_graph import connected_components
from gog_pose.evaluation.oracle.oracle import images_with_labelled_people
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")


def labels(*indices):
    labelled = np.zeros(17, dtype=bool)
    labelled[list(indices)] = True
    return labelled


def test_components_follow_the_limbs():
    assert connected_components(labels(*range(17)), SKELETON.limbs) == [list(range(17))]
    assert connected_components(labels(), SKELETON.limbs) == []
    assert connected_components(labels(0, 1, 5, 9), SKELETON.limbs) == [[0, 1], [5], [9]]
    assert connected_components(labels(9, 7, 5, 6, 8), SKELETON.limbs) == [[5, 6, 7, 8, 9]]
    assert connected_components(labels(5, 9), load_skeleton("coco_44").limbs) == [[5, 9]]  # shoulder to wrist


def test_each_component_is_a_detection():
    person = standing(0, 0, [*HEAD, *LEFT_SHIN, *RIGHT_SHIN, 9])
    poses = best_possible_poses(person[None], SKELETON, min_keypoints=1)
    assert [np.flatnonzero(keypoints[:, 2]).tolist() for keypoints in poses.keypoints] == [
        HEAD, LEFT_SHIN, RIGHT_SHIN, [9]
    ]  # fmt: skip
    np.testing.assert_allclose(poses.scores, np.array([5, 2, 2, 1]) / 17)
    np.testing.assert_array_equal(poses.keypoints[..., :2].sum(axis=0), person[:, :2])
    assert len(best_possible_poses(person[None], SKELETON, min_keypoints=2)) == 3
    assert len(best_possible_poses(np.zeros((0, 17, 3)), SKELETON, min_keypoints=1)) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("name", "pairs", "all_components"), [("coco_19", 0.893, 0.911), ("coco_44", 0.966, 0.986)])
def test_known_limits_on_val2017(real_data, name, pairs, all_components):
    """Computed independently, by the authors of the study that set the bars, on 2,346 images."""
    annotations = real_data / "annotations/person_keypoints_val2017_full.json"
    skeleton = load_skeleton(name)
    images = images_with_labelled_people(CocoKeypoints(annotations, None, 17))
    assert len(images) == 2346
    evaluator = CocoKeypointEvaluator(annotations, skeleton)
    for least, expected in ((2, pairs), (1, all_components)):
        ap = evaluator.evaluate(
            {
                image.image_id: best_possible_poses(image.keypoints, skeleton, min_keypoints=least).to_coco(
                    image.image_id
                )
                for image in images
            }
        )["AP"]
        assert ap == pytest.approx(expected, abs=6e-4)
