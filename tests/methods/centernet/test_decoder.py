"""CenterNet's decoder agrees with its public program and with its own rules, one by one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.decoding import PoseMaps
from gog_pose.errors import InputError
from gog_pose.maps.fields import merge_flipped
from gog_pose.maps.records import joined
from gog_pose.methods.centernet.decoder import CenterDecoder
from gog_pose.methods.centernet.encoder import CenterEncoder
from gog_pose.methods.centernet.records import CenterMaps
from gog_pose.methods.decoders import build_decoder, change_decoder, describe_decoder
from gog_pose.methods.people import People
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")
SIZE = (256, 384)


def people(random, count):
    """Standing people of labelled keypoints all over their boxes, far enough apart to have peaks of their own."""
    sides = random.uniform(60, 90, (count, 1)) * [0.8, 2.2]
    corners = np.stack([20 + 110 * np.arange(count), random.uniform(5, 40, count)], axis=1)
    grid = np.stack(np.meshgrid(np.arange(3), np.arange(6)), axis=-1).reshape(-1, 2)[:17] / [3, 6] + 0.1
    xy = corners[:, None] + grid * sides[:, None] + random.uniform(-1, 1, (count, 17, 2))
    keypoints = np.concatenate([xy, np.full((count, 17, 1), 2)], axis=2)
    return People(keypoints.astype(np.float32), sides.prod(axis=1) ** 0.5, np.concatenate([corners, sides], axis=1))


def encoded(scene, **options):
    encoder = CenterEncoder(SKELETON, **options)
    return encoder.render(encoder.marks(scene, SIZE)).as_maps()


@pytest.mark.parametrize("name", ["centernet_decode_4", "centernet_decode_9"])
def test_agrees_with_the_recorded_program(golden, name):
    """CenterNet's vectors start at the corner of a cell, 3/8 of it before ours, and are in cells."""
    record = {key: torch.from_numpy(value) for key, value in np.load(golden / f"{name}.npz").items()}
    offsets, centers, points = (4 * (record[key] - 3 / 8) for key in ("hps", "reg", "hp_offset"))
    maps = CenterMaps(record["hm"], record["hm_hp"], offsets, 4 * record["wh"], centers, points)
    (poses,) = CenterDecoder(SKELETON)(maps)
    detections = record["detections"][0].numpy()
    np.testing.assert_allclose(poses.scores, detections[: len(poses), 4], rtol=1e-6)
    assert not detections[len(poses) :, 4].any()  # what fills up the hundred there
    expected = detections[: len(poses), 5:39].reshape(-1, 17, 2)
    np.testing.assert_allclose((poses.keypoints[..., :2] + 1.5) / 4 - 3 / 8, expected, rtol=0, atol=1e-4)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 3), refinements=st.sampled_from(["shared", "per_type"]))
def test_what_was_encoded_is_read_back(seed, count, refinements):
    """Positions come from the refinement offsets, so that nothing is lost to the grid."""
    scene = people(np.random.default_rng(seed), count)
    (poses,) = CenterDecoder(SKELETON, refinements=refinements)(encoded(scene, refinements=refinements))
    assert len(poses) == count
    assert not poses.inferred.any()
    order = np.argsort(poses.keypoints[:, 0, 0])
    np.testing.assert_allclose(poses.keypoints[order, :, :2], scene.keypoints[..., :2], atol=1e-3)


def test_types_that_share_a_cell_have_places_of_their_own():
    """One refinement offset is not enough for both."""
    scene = people(np.random.default_rng(6), 1)
    scene.keypoints[0, 1, :2] = scene.keypoints[0, 0, :2] = (61.5, 81.5)  # the center of a cell
    scene.keypoints[0, 1, 0] += 1
    for refinements, error in (("per_type", 0), ("shared", 1)):
        (poses,) = CenterDecoder(SKELETON, refinements=refinements)(encoded(scene, refinements=refinements))
        difference = poses.keypoints[0, :, :2] - scene.keypoints[0, :, :2]
        assert np.abs(difference).max() == pytest.approx(error, abs=1e-3)


def moved(maps, keypoint, step):
    """Maps in which the peak of a type's only keypoint lies some px to the right of where the offset leads."""
    offsets = maps.offsets.clone()
    offsets[:, 2 * keypoint] -= step * (offsets[:, 2 * keypoint] != 0)
    return maps._replace(offsets=offsets)


def test_keypoints_move_to_peaks_that_are_near_inside_and_clear():
    scene = people(np.random.default_rng(1), 1)
    maps, decoder = encoded(scene), CenterDecoder(SKELETON)
    side = scene.boxes[0, 2:].max()
    x = scene.keypoints[0, 4, 0]

    def answer(maps, **options):
        (poses,) = change_decoder(decoder, options)(maps)
        return poses.keypoints[0, 4, 0], bool(poses.inferred[0, 4])

    near, far = 0.29 * side, 0.31 * side
    assert answer(moved(maps, 4, near)) == (pytest.approx(x, abs=1e-3), False)
    assert answer(moved(maps, 4, far)) == (pytest.approx(x - far, abs=1e-3), True)
    assert answer(moved(maps, 4, 5), reach=0) == (pytest.approx(x - 5, abs=1e-3), True)
    faint = maps._replace(heatmaps=0.09 * maps.heatmaps)
    assert answer(moved(faint, 4, 5)) == (pytest.approx(x - 5, abs=1e-3), True)
    narrow = maps._replace(sizes=maps.sizes * torch.tensor([0.01, 1.0])[:, None, None])
    assert answer(moved(narrow, 4, 5)) == (pytest.approx(x - 5, abs=1e-3), True)


def test_faint_people_are_dropped_and_the_best_come_first():
    maps = encoded(people(np.random.default_rng(2), 3))
    shade = torch.linspace(0.3, 0.9, 96)[None, None, None]
    (poses,) = CenterDecoder(SKELETON)(maps._replace(centers=maps.centers * shade))
    assert (np.diff(poses.scores) <= 0).all()
    (fewer,) = CenterDecoder(SKELETON, score_threshold=float(poses.scores[1]))(
        maps._replace(centers=maps.centers * shade)
    )
    assert len(fewer) == 1
    (one,) = CenterDecoder(SKELETON, topk=1)(maps._replace(centers=maps.centers * shade))
    np.testing.assert_array_equal(one.keypoints, poses.keypoints[:1])


def test_an_empty_image_has_nobody_and_images_do_not_mix():
    one, other = (encoded(people(np.random.default_rng(seed), 2)) for seed in (3, 4))
    batch = joined([one, other])
    together, alone = CenterDecoder(SKELETON)(batch), CenterDecoder(SKELETON)(other)
    np.testing.assert_array_equal(together[1].keypoints, alone[0].keypoints)
    nothing = CenterMaps._make(torch.zeros_like(field) for field in one)
    assert len(CenterDecoder(SKELETON)(nothing)[0]) == 0


def test_the_mirror_image_merges_into_the_same_maps():
    """Merging the maps of a scene with those of the mirrored scene does not change them."""
    scene, width = people(np.random.default_rng(5), 3), SIZE[1]
    keypoints = scene.keypoints[:, list(SKELETON.flip_index)].copy()
    keypoints[..., 0] = width - 1 - keypoints[..., 0]
    boxes = scene.boxes.copy()
    boxes[:, 0] = width - 1 - boxes[:, 0] - boxes[:, 2]
    maps, mirrored = encoded(scene), encoded(People(keypoints, scene.scales, boxes))
    merged = merge_flipped(maps, mirrored, CenterDecoder(SKELETON).fields)
    for name in ("centers", "heatmaps", "offsets", "sizes"):
        torch.testing.assert_close(getattr(merged, name), getattr(maps, name), atol=1e-3, rtol=0)
    assert torch.equal(merged.refinements, maps.refinements)
    assert torch.equal(merged.center_refinements, maps.center_refinements)


def test_a_checkpoint_can_say_which_decoder_it_means():
    decoder = CenterDecoder(SKELETON, topk=20, reach=0.1)
    assert build_decoder(SKELETON, "centernet", describe_decoder(decoder)) == decoder
    assert change_decoder(decoder, {"topk": 3}) == CenterDecoder(SKELETON, topk=3, reach=0.1)
    with pytest.raises(InputError, match=r"decoder\.reach"):
        CenterDecoder(SKELETON, reach=-1)
    with pytest.raises(InputError, match="refinements: 'some' is unknown; choose shared or per_type"):
        CenterDecoder(SKELETON, refinements="some")
    with pytest.raises(InputError, match="does not fit method centernet"):
        decoder(PoseMaps(torch.zeros(1, 17, 8, 8), torch.zeros(1, 38, 8, 8)))
