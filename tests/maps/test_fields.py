"""Fields: mirroring of each kind of map, merging of views and scales, and refused maps."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gog_pose.errors import InputError
from gog_pose.geometry import apply_affine, cells_to_image, resize, translation
from gog_pose.maps.fields import Field, check_maps, flip_maps, merge_flipped, merge_scales
from gog_pose.methods.centernet.records import CenterMaps
from gog_pose.methods.centernet.records import fields as center_fields
from gog_pose.methods.gog.records import PoseMaps
from gog_pose.methods.gog.records import fields as gog_fields
from gog_pose.skeleton import load_skeleton

STRIDE = 4


class AllKinds(NamedTuple):
    """Maps of every kind, the tags of a finer stride than the others."""

    responses: torch.Tensor
    vectors: torch.Tensor
    lengths: torch.Tensor
    sizes: torch.Tensor
    spreads: torch.Tensor
    tags: torch.Tensor
    kept: torch.Tensor
    single: torch.Tensor
    refinements: torch.Tensor | None = None


POINTS, MIRROR = (0, 1, 2), (0, 2, 1)  # a nose and two hands
FIELDS = (
    Field("responses", "responses", STRIDE, POINTS, MIRROR),
    Field("vectors", "vectors", STRIDE, POINTS, MIRROR, goals=(1, 2, 0), components=2),
    Field("lengths", "scales", STRIDE, POINTS, MIRROR),
    Field("sizes", "scales", STRIDE, (-1,), (0,), components=2),
    Field("spreads", "spreads", STRIDE, POINTS, MIRROR),
    Field("tags", "tags", 2, POINTS, MIRROR),
    Field("kept", "responses", STRIDE, POINTS, MIRROR, merged=False),
    Field("single", "responses", STRIDE, POINTS, MIRROR, smooth=False),
    Field("refinements", "vectors", STRIDE, (-1,), (0,), components=2, optional=True),
)


def random_maps(seed, hw=(5, 7), batch=2, *, refined=True):
    """Maps of all kinds at random."""
    generator = torch.Generator().manual_seed(seed)
    given_fields = FIELDS if refined else FIELDS[:-1]
    sizes = [[side * STRIDE // field.stride for side in hw] for field in given_fields]
    return AllKinds(
        *(
            torch.randn(batch, field.num_maps, *size, generator=generator)
            for field, size in zip(given_fields, sizes, strict=True)
        )
    )


def assert_same(maps, expected, **tolerance):
    for name, one, other in zip(maps._fields, maps, expected, strict=True):
        assert (one is None) == (other is None), name
        if one is not None:
            torch.testing.assert_close(one, other, msg=lambda message, name=name: f"{name}: {message}", **tolerance)


# Mirror


def test_a_mirrored_map_by_hand():
    maps = random_maps(0, hw=(1, 2), batch=1)
    mirrored = flip_maps(maps, FIELDS)
    for name in ("responses", "lengths", "spreads", "kept"):
        one, other = getattr(maps, name)[0, :, 0], getattr(mirrored, name)[0, :, 0]
        assert torch.equal(other, one[[0, 2, 1]][:, [1, 0]]), name  # the hands swap, the cells, too
    assert torch.equal(mirrored.sizes[0, :, 0], maps.sizes[0, :, 0][:, [1, 0]])  # width stays width
    swapped = maps.vectors[0, :, 0][[0, 1, 4, 5, 2, 3]][:, [1, 0]]
    assert torch.equal(mirrored.vectors[0, :, 0], swapped * torch.tensor([-1.0, 1] * 3)[:, None])
    assert torch.equal(mirrored.refinements[0, 0, 0], -maps.refinements[0, 0, 0][[1, 0]])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 6), st.booleans())
def test_mirroring_twice_changes_nothing(seed, height, width, refined):
    maps = random_maps(seed, (height, width), refined=refined)
    assert_same(flip_maps(flip_maps(maps, FIELDS), FIELDS), maps, rtol=0, atol=0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.booleans())
def test_maps_merge_with_those_of_the_mirrored_scene_to_themselves(seed, refined):
    maps = random_maps(seed, refined=refined)
    merged = merge_flipped(maps, flip_maps(maps, FIELDS), FIELDS)
    assert torch.equal(merged.tags, torch.cat([maps.tags, maps.tags], dim=1))
    assert_same(merged._replace(tags=maps.tags), maps)


def test_each_kind_is_merged_in_its_own_way():
    maps, other = random_maps(1), random_maps(2)
    back = flip_maps(other, FIELDS)
    merged = merge_flipped(maps, other, FIELDS)
    for name in ("responses", "vectors", "lengths", "sizes", "spreads", "single", "refinements"):
        torch.testing.assert_close(getattr(merged, name), (getattr(maps, name) + getattr(back, name)) / 2)
    assert torch.equal(merged.tags, torch.cat([maps.tags, back.tags], dim=1))
    assert torch.equal(merged.kept, maps.kept)


def test_tags_of_two_views_are_mirrored_view_by_view():
    tags = torch.randn(1, 6, 4, 4)
    maps = random_maps(0)._replace(tags=tags)
    expected = torch.cat([tags[:, [0, 2, 1]], tags[:, [3, 5, 4]]], dim=1).flip(-1)
    assert torch.equal(flip_maps(maps, FIELDS).tags, expected)


def test_reversed_items_keep_their_own_prediction():
    class Vectors(NamedTuple):
        vectors: torch.Tensor

    field = Field("vectors", "vectors", 4, POINTS, MIRROR, (1, 2, 0), reversed=(True, False, False), components=2)
    maps, other = (Vectors(torch.randn(2, 6, 5, 7)) for _ in range(2))
    merged = merge_flipped(maps, other, [field]).vectors
    assert torch.equal(merged[:, :2], maps.vectors[:, :2])
    mean = (maps.vectors + flip_maps(other, [field]).vectors) / 2
    torch.testing.assert_close(merged[:, 2:], mean[:, 2:])


@pytest.mark.parametrize("name", ["coco_19", "coco_44", "coco_19_bidirectional"])
def test_the_papers_maps_merge_by_its_formula(name):
    """Means; limbs whose mirror image runs the other way keep the prediction for the image."""
    skeleton = load_skeleton(name)

    def draw():
        return PoseMaps(*(torch.randn(2, count, 5, 7) for count in (17, 2 * skeleton.num_limbs, 2, skeleton.num_limbs)))

    maps, other = draw(), draw()
    merged = merge_flipped(maps, other, gog_fields(skeleton, 4))
    turn = torch.tensor([-1.0, 1.0])[:, None, None]
    heatmaps = (maps.heatmaps + other.heatmaps.flip(-1)[:, list(skeleton.flip_index)]) / 2
    back = other.offsets.flip(-1).unflatten(1, (-1, 2))[:, list(skeleton.limb_flip_index)] * turn
    mean = (maps.offsets + back.flatten(1, 2)) / 2
    keep = torch.tensor(skeleton.limb_flip_reversed)[:, None, None]
    spreads = (maps.spreads + other.spreads.flip(-1)[:, list(skeleton.limb_flip_index)]) / 2
    expected = PoseMaps(
        heatmaps,
        torch.where(keep.repeat_interleave(2, dim=0), maps.offsets, mean),
        (maps.refinements + other.refinements.flip(-1) * turn) / 2,
        torch.where(keep, maps.spreads, spreads),
    )
    assert_same(merged, expected, rtol=0, atol=0)


def test_centernets_maps_merge_by_its_formula():
    """Means; refinement offsets are those of the image, as in its program."""
    skeleton = load_skeleton("coco_19")

    def draw():
        return CenterMaps(*(torch.randn(2, count, 5, 7) for count in (1, 17, 34, 2, 2, 2)))

    maps, other = draw(), draw()
    merged = merge_flipped(maps, other, center_fields(skeleton, 4))
    swap = list(skeleton.flip_index)
    back = other.offsets.flip(-1).unflatten(1, (-1, 2))[:, swap] * torch.tensor([-1.0, 1.0])[:, None, None]
    expected = maps._replace(
        centers=(maps.centers + other.centers.flip(-1)) / 2,
        heatmaps=(maps.heatmaps + other.heatmaps.flip(-1)[:, swap]) / 2,
        offsets=(maps.offsets + back.flatten(1, 2)) / 2,
        sizes=(maps.sizes + other.sizes.flip(-1)) / 2,
    )
    assert_same(merged, expected, rtol=0, atol=0)


# Scales

IMAGE = (96, 128)  # px, the original image
POINT = np.array([70.0, 40.0])  # px of the original image, to which all vectors lead


def plane(matrix, size):
    """Maps of one scene, seen through a matrix in an input of a size: planes of the original image's coordinates."""
    width, height = (np.diag(matrix)[axis] for axis in (0, 1))  # px of the input per px of the original image
    values = []
    for field in FIELDS:
        rows, columns = (np.arange(side // field.stride) for side in size)
        grid = np.stack(np.meshgrid(columns, rows), axis=-1)
        here = cells_to_image(grid.astype(float), field.stride)
        there = apply_affine(here, np.linalg.inv(matrix))
        if field.kind == "vectors":
            item = np.moveaxis(apply_affine(POINT, matrix) - here, -1, 0)
        elif field.components == 2:
            item = np.stack([np.full(here.shape[:2], 30.0 * width), np.full(here.shape[:2], 50.0 * height)])
        elif field.kind == "scales":
            item = (20 + 0.1 * there[..., :1].transpose(2, 0, 1)) * np.sqrt(width * height)
        elif field.kind == "spreads":
            item = np.full((1, *here.shape[:2]), np.log(5 * np.sqrt(width * height)))
        else:
            item = (0.2 + 0.004 * there[..., 0] + 0.002 * there[..., 1])[None]
        values.append(torch.from_numpy(np.tile(item, (field.num_maps // len(item), 1, 1))).float()[None])
    return AllKinds(*values)


@pytest.mark.parametrize(
    "others", [[(1.0, 1.0)], [(0.5, 0.5)], [(2.0, 2.0)], [(1.5, 1.25)], [(0.5, 0.5), (2.0, 2.0), (1.3, 1.7)]]
)
def test_views_of_one_scene_merge_to_the_first_view(others):
    first = resize(1.0, 1.0)
    views, matrices = [plane(first, IMAGE)], [first[None]]
    for scale_x, scale_y in others:
        matrix = resize(scale_x, scale_y)
        size = tuple(-(-round(side * scale) // 8) * 8 for side, scale in zip(IMAGE, (scale_y, scale_x), strict=True))
        views.append(plane(matrix, size))
        matrices.append(matrix[None])
    merged = merge_scales(views, matrices, FIELDS)
    for field in FIELDS:
        edge = 6 if field.stride == STRIDE else 0  # cells, where the kernels of small views reach beyond them
        inside = slice(edge, -edge or None)
        one, other = (getattr(maps, field.name)[..., inside, inside] for maps in (merged, views[0]))
        assert one.numel()
        atol = 2e-3 if field.kind == "responses" else 1e-4  # PyTorch's bicubic kernel bends a plane a little
        torch.testing.assert_close(one, other, rtol=0, atol=atol, msg=lambda m, name=field.name: f"{name}: {m}")


def test_a_view_that_repeats_the_first_changes_nothing():
    maps = random_maps(3, (12, 16))
    matrix = np.stack([resize(1.4, 1.4)] * 2)
    assert_same(merge_scales([maps, maps], [matrix, matrix], FIELDS), maps, atol=1e-4, rtol=1e-4)


def test_responses_outside_of_a_view_count_as_none():
    """The second view is half as wide: what it shows is the mean of 1 and 1, the rest of 1 and 0."""
    fields = [FIELDS[0]]
    one, half = (random_maps(0)._replace(responses=torch.ones(1, 3, 8, width)) for width in (16, 8))
    views = [one, half]
    merged = merge_scales(views, [resize(1, 1)[None]] * 2, fields).responses
    torch.testing.assert_close(merged[..., :6], torch.ones(1, 3, 8, 6), rtol=0, atol=1e-6)
    torch.testing.assert_close(merged[..., 10:], torch.full((1, 3, 8, 6), 0.5), rtol=0, atol=1e-6)


def test_each_image_of_a_batch_has_its_own_way_from_view_to_view():
    """The second view of the second image begins two cells further right."""
    fields = [FIELDS[0]]
    maps = random_maps(0)._replace(responses=torch.rand(2, 3, 8, 16))
    moved = np.stack([resize(1, 1), translation(2 * STRIDE, 0) @ resize(1, 1)])
    merged = merge_scales([maps, maps], [np.stack([resize(1, 1)] * 2), moved], fields).responses
    torch.testing.assert_close(merged[0], maps.responses[0], rtol=0, atol=1e-5)
    shifted = (maps.responses[1, ..., :-2] + maps.responses[1, ..., 2:]) / 2
    torch.testing.assert_close(merged[1, ..., 1:-3], shifted[..., 1:-1], rtol=0, atol=1e-5)


def test_what_is_not_merged_comes_from_the_first_view():
    first, second = random_maps(4, (6, 8)), random_maps(5, (12, 16))
    matrices = [np.stack([resize(scale, scale)] * 2) for scale in (1.0, 2.0)]
    merged = merge_scales([first, second], matrices, FIELDS)
    for name in ("tags", "kept", "single"):
        assert torch.equal(getattr(merged, name), getattr(first, name)), name
    for name in ("responses", "vectors", "lengths", "sizes", "spreads", "refinements"):
        assert not torch.equal(getattr(merged, name), getattr(first, name)), name
    without = [maps._replace(refinements=None) for maps in (first, second)]
    assert merge_scales(without, matrices, FIELDS).refinements is None


# Checks


def test_maps_of_the_method_pass_and_may_lack_what_is_optional():
    check_maps(random_maps(0), FIELDS, "all")
    check_maps(random_maps(0, refined=False), FIELDS, "all")
    merged = merge_flipped(random_maps(0), random_maps(1), FIELDS)
    check_maps(merged, FIELDS, "all")  # tags of both views


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"responses": None}, "responses: shape None does not fit method all; give .B, 3, h, w."),
        ({"responses": torch.zeros(2, 4, 5, 7)}, r"responses: shape \(2, 4, 5, 7\)"),
        ({"vectors": torch.zeros(2, 3, 5, 7)}, r"vectors: shape .*give \(B, 6, h, w\)"),
        ({"lengths": torch.zeros(3, 5, 7)}, "lengths: shape"),
        ({"tags": torch.zeros(2, 4, 10, 14)}, "tags: shape"),
        ({"refinements": torch.zeros(2, 1, 5, 7)}, "refinements: shape"),
        ({"sizes": torch.zeros(2, 2, 5, 8)}, "do not cover the same images"),
        ({"sizes": torch.zeros(1, 2, 5, 7)}, "do not cover the same images"),
        ({"tags": torch.zeros(2, 3, 5, 7)}, "do not cover the same images"),  # of stride 2
    ],
)
def test_other_maps_are_refused_in_one_line(change, words):
    with pytest.raises(InputError, match=words) as error:
        check_maps(random_maps(0)._replace(**change), FIELDS, "all")
    assert "\n" not in str(error.value)


def test_maps_of_another_method_are_refused():
    skeleton = load_skeleton("coco_19")
    ours = PoseMaps(torch.zeros(1, 17, 4, 4), torch.zeros(1, 38, 4, 4))
    theirs = CenterMaps(*(torch.zeros(1, count, 4, 4) for count in (1, 17, 34, 2, 2, 2)))
    check_maps(ours, gog_fields(skeleton, 4), "gog")
    check_maps(theirs, center_fields(skeleton, 4), "centernet")
    with pytest.raises(InputError, match="method gog"):
        check_maps(theirs, gog_fields(skeleton, 4), "gog")
    with pytest.raises(InputError, match="method centernet"):
        check_maps(ours, center_fields(skeleton, 4), "centernet")


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "colors"},
        {"mirror": (0, 1)},
        {"kind": "vectors", "components": 2, "goals": (0,)},
        {"reversed": (True,)},
        {"kind": "vectors"},
        {"components": 2},
        {"kind": "scales", "components": 3},
    ],
)
def test_a_field_whose_parts_do_not_fit_together_is_refused(options):
    good = {"name": "some", "kind": "responses", "stride": 4, "points": POINTS, "mirror": MIRROR}
    assert Field(**good).num_maps == 3
    with pytest.raises(ValueError, match="inconsistent"):
        Field(**{**good, **options})


def test_views_are_averaged_by_the_responses_that_a_field_belongs_to():
    class Composite(NamedTuple):
        limbs: torch.Tensor
        ends: torch.Tensor
        spreads: torch.Tensor

    fields = [
        Field("limbs", "responses", 4, (0,), (0,)),
        Field(
            "ends", "vectors", 4, (1, 0), (1, 0), goals=(0, 1), components=2, weighted_by="limbs", weight_items=(0, 0)
        ),
        Field("spreads", "spreads", 4, (1, 0), (1, 0), weighted_by="limbs", weight_items=(0, 0)),
    ]

    def view(response, length, spread):
        return Composite(
            torch.full((1, 1, 4, 4), response), torch.full((1, 4, 4, 4), length), torch.full((1, 2, 4, 4), spread)
        )

    one, other = view(0.75, 8.0, 1.0), view(0.25, 4.0, 3.0)
    merged = merge_flipped(one, flip_maps(other, fields), fields)
    torch.testing.assert_close(merged.limbs, torch.full((1, 1, 4, 4), 0.5))
    torch.testing.assert_close(merged.ends, torch.full((1, 4, 4, 4), 7.0))
    torch.testing.assert_close(merged.spreads, torch.full((1, 2, 4, 4), 1.5))

    edge = view(1.0, 8.0, 1.0)
    for field in edge:  # only the left half is taught
        field[..., 2:] = 0
    finer = [edge, Composite(*(field.repeat_interleave(2, -1).repeat_interleave(2, -2) for field in edge))]
    finer[1].ends.mul_(2)
    finer[1].spreads.add_(np.log(2))
    scaled = merge_scales(finer, [np.eye(3)[None], np.array([[[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1.0]]])], fields)
    torch.testing.assert_close(scaled.ends[..., :2], edge.ends[..., :2])
    torch.testing.assert_close(scaled.spreads[..., :2], edge.spreads[..., :2])
