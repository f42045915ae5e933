"""The contract of all methods. A new method is tested as soon as its folder is in the folder of methods."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from annotated import standing
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from gog_pose.checkpoints import describe, read_network
from gog_pose.cli.runtime import config_dir, instantiate
from gog_pose.errors import InputError
from gog_pose.evaluation.oracle.noise import MapNoise
from gog_pose.export import Deployable
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.maps.fields import check_maps, flip_maps, merge_flipped, merge_scales
from gog_pose.maps.marks import TargetMarks
from gog_pose.maps.records import as_batch, image_of, images_of, stacked
from gog_pose.methods import load_method, method_names, method_of
from gog_pose.methods.people import People
from gog_pose.networks import PoseNetwork
from gog_pose.skeleton import load_skeleton

ADDED = Path(__file__).parent / "added"
SKELETON = load_skeleton("coco_19")
SIZE = (256, 384)  # H, W, px
SCENES = ([], [(120, 60, 1.2)], [(20, 40, 1.1), (150, 90, 1.3), (270, 20, 1.0)])

pytestmark = pytest.mark.parametrize("name", method_names())


@cache
def parts(name):
    """Build the parts of a method from its YAML."""
    with initialize_config_dir(config_dir(), version_base="1.3"):
        overrides = [f"method={name}", "model=hourglass_tiny", f"hydra.searchpath=[file://{ADDED / 'conf'}]"]
        cfg = compose("train", [*overrides, "paths.output_dir=nowhere"])
    OmegaConf.set_struct(cfg, False)
    return {part: instantiate(cfg.method[part]) for part in ("encoder", "heads", "loss", "decoder")}


def people_of(scene):
    keypoints = np.stack([standing(x, y, scale=scale) for x, y, scale in scene]) if scene else np.zeros((0, 17, 3))
    keypoints = keypoints.astype(np.float32)
    low = keypoints[..., :2].min(axis=1) if scene else np.zeros((0, 2))
    high = keypoints[..., :2].max(axis=1) if scene else np.zeros((0, 2))
    boxes = np.concatenate([low, high - low], axis=1).astype(np.float32)
    return People(keypoints, np.sqrt(boxes[:, 2] * boxes[:, 3]), boxes)


def targets_of(name, scene, size=SIZE):
    encoder = parts(name)["encoder"]
    return encoder.render(encoder.marks(people_of(scene), size))


def network(name, seed=0):
    torch.manual_seed(seed)
    cfg = {"stacks": 1, "channels": (8, 12), "blocks": (1, 1), "stem_channels": 4}
    from gog_pose.networks.trunk import build_trunk

    return PoseNetwork(SKELETON, build_trunk("hourglass", **cfg), parts(name)["heads"]).eval()


def assert_same_maps(one, other, fields, atol=0.0):
    for field in fields:
        if getattr(one, field.name) is not None:
            torch.testing.assert_close(getattr(one, field.name), getattr(other, field.name), atol=atol, rtol=0)


def test_every_part_knows_its_method(name):
    own = parts(name)
    heads = own["heads"](SKELETON, [])
    assert {method_of(part) for part in (own["encoder"], own["loss"], own["decoder"], heads)} == {name}
    method = load_method(name)
    assert isinstance(own["encoder"], method.encoder)
    assert isinstance(own["decoder"], method.decoder)


@pytest.mark.parametrize("scene", SCENES, ids=["nobody", "one", "three"])
def test_perfect_maps_are_decoded_to_all_people(name, scene):
    (poses,) = parts(name)["decoder"](targets_of(name, scene).as_maps())
    assert len(poses) == len(scene)
    truth = people_of(scene).keypoints
    for person in truth:
        errors = np.linalg.norm(poses.keypoints[..., :2] - person[:, :2], axis=-1).max(axis=1)
        assert errors.min() < 1.0, "px"
    assert (np.diff(poses.scores) <= 0).all()


def test_the_maps_of_the_mirrored_scene_are_the_mirrored_maps(name):
    encoder = parts(name)["encoder"]
    people = people_of(SCENES[2])
    keypoints = people.keypoints[:, list(SKELETON.flip_index)].copy()
    keypoints[..., 0] = SIZE[1] - 1 - keypoints[..., 0]
    boxes = people.boxes.copy()
    boxes[:, 0] = SIZE[1] - 1 - people.boxes[:, 0] - people.boxes[:, 2]
    mirrored = encoder.render(encoder.marks(People(keypoints, people.scales, boxes), SIZE)).as_maps()
    expected = flip_maps(targets_of(name, SCENES[2]).as_maps(), encoder.fields)
    for field in encoder.fields:
        one, other = getattr(mirrored, field.name), getattr(expected, field.name)
        if one is None:
            continue
        kept = ~np.repeat(field.reversed or (False,) * len(field.points), field.components)
        differs = (one[:, kept] - other[:, kept]).abs() > 1e-3
        assert differs.float().mean() < 1e-4, "what is rounded to cells may fall on the other side at a tie"


def test_fields_describe_the_maps(name):
    own = parts(name)
    maps = targets_of(name, SCENES[2]).as_maps()
    check_maps(maps, own["decoder"].fields, name)
    predicted = network(name)(torch.randn(1, 3, 64, 64))[-1]
    check_maps(predicted, own["encoder"].fields, name)
    first = own["decoder"].fields[0]
    short = maps._replace(**{first.name: getattr(maps, first.name)[:, :0]})
    with pytest.raises(InputError, match=first.name):
        own["decoder"](short)


def test_an_image_does_not_depend_on_its_batch(name):
    decoder = parts(name)["decoder"]
    images = [targets_of(name, scene).as_maps() for scene in SCENES]
    joined = type(images[0])(*(None if field[0] is None else torch.cat(field) for field in zip(*images, strict=True)))
    for place, (together, alone) in enumerate(zip(decoder(joined), images, strict=True)):
        (own,) = decoder(alone)
        np.testing.assert_array_equal(together.keypoints, own.keypoints)
        (again,) = decoder(images_of(joined, slice(place, place + 1)))
        np.testing.assert_array_equal(again.keypoints, own.keypoints)


def test_the_order_of_people_changes_nothing(name):
    encoder = parts(name)["encoder"]
    people = people_of(SCENES[2])
    turned = People(*(field[::-1].copy() for field in people))
    one, other = (encoder.render(encoder.marks(which, SIZE)) for which in (people, turned))
    assert_same_maps(one.as_maps(), other.as_maps(), encoder.fields)
    torch.testing.assert_close(one.mask, other.mask)


def test_targets_drawn_together_are_those_drawn_one_by_one(name):
    encoder = parts(name)["encoder"]
    marks = [encoder.marks(people_of(scene), SIZE) for scene in SCENES]
    together = encoder.render(TargetMarks.join(marks))
    alone = stacked([image_of(encoder.render(one), 0) for one in marks])
    for one, other in zip(together, alone, strict=True):
        if one is not None:
            torch.testing.assert_close(one, other, atol=0, rtol=0)


def test_ignored_cells_are_not_supervised(name):
    own = parts(name)
    encoder, loss = own["encoder"], own["loss"]
    everything = np.ones(SIZE, dtype=bool)
    targets = encoder.render(encoder.marks(people_of([]), SIZE, everything))
    assert not targets.mask.any()
    maps = [targets_of(name, SCENES[2]).as_maps()]
    assert float(loss(maps, targets).total) == 0.0


def test_the_loss_is_small_at_the_targets(name):
    loss = parts(name)["loss"]
    targets = targets_of(name, SCENES[2])
    at_targets = float(loss([targets.as_maps()], targets).total)
    elsewhere = [targets_of(name, SCENES[1]).as_maps(), targets_of(name, SCENES[0]).as_maps()]
    for maps in elsewhere:
        assert at_targets < float(loss([maps], targets).total)


def test_the_loss_is_finite_and_has_finite_gradients(name):
    loss = parts(name)["loss"]
    for scene in SCENES:
        targets = targets_of(name, scene)
        for value in (0.0, 1.0, 1e3, -1e3):
            maps = targets.as_maps()
            fields = [None if field is None else torch.full_like(field, value).requires_grad_() for field in maps]
            total = loss([type(maps)(*fields)], targets).total
            assert total.isfinite()
            total.backward()
            assert all(field.grad is None or field.grad.isfinite().all() for field in fields if field is not None)


def test_the_loss_does_not_depend_on_how_a_batch_is_split(name):
    loss = parts(name)["loss"]
    targets = stacked([image_of(targets_of(name, scene), 0) for scene in SCENES])
    maps = network(name)(torch.randn(3, 3, *SIZE))[-1]
    whole = loss([maps], targets).total
    rows = [slice(place, place + 1) for place in range(3)]
    split = [loss([images_of(maps, row)], images_of(targets, row)).total for row in rows]
    torch.testing.assert_close(whole, torch.stack(split).mean(), rtol=1e-5, atol=0)


def test_a_checkpoint_gives_the_same_network_and_decoder(name, tmp_path):
    own = network(name)
    decoder = parts(name)["decoder"]
    path = tmp_path / "own.ckpt"
    state = {f"network.{key}": value for key, value in own.state_dict().items()}
    torch.save({"state_dict": state, "gog_pose": describe(own, decoder, Preprocessing())}, path)
    read = read_network(path)
    assert read.network.method == name
    assert read.decoder == decoder
    images = torch.randn(1, 3, 64, 64)
    assert_same_maps(read.network.eval()(images)[-1], own(images)[-1], decoder.fields)


def test_a_symmetric_network_gains_nothing_by_flipping(name):
    decoder = parts(name)["decoder"]
    maps = targets_of(name, SCENES[2]).as_maps()
    merged = merge_flipped(maps, flip_maps(maps, decoder.fields), decoder.fields)
    for field in decoder.fields:
        if getattr(maps, field.name) is not None and field.kind != "tags":
            torch.testing.assert_close(getattr(merged, field.name), getattr(maps, field.name), atol=1e-4, rtol=0)
    (once,), (twice,) = decoder(maps), decoder(merged)
    np.testing.assert_allclose(once.keypoints, twice.keypoints, atol=0.01)


def test_several_scales_find_the_same_people(name):
    own = parts(name)
    scene = [(40, 30, 1.6), (220, 60, 1.5)]
    larger = [(2 * x + 0.5, 2 * y + 0.5, 2 * scale) for x, y, scale in scene]
    views = [targets_of(name, scene).as_maps(), targets_of(name, larger, (2 * SIZE[0], 2 * SIZE[1])).as_maps()]
    matrices = [np.eye(3)[None], np.array([[[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1.0]]])]
    (poses,) = own["decoder"](merge_scales(views, matrices, own["decoder"].fields))
    for person in people_of(scene).keypoints:
        errors = np.linalg.norm(poses.keypoints[..., :2] - person[:, :2], axis=-1).max(axis=1)
        assert errors.min() < 3.0, "px"


def test_noise_disturbs_and_follows_from_the_seed(name):
    encoder = parts(name)["encoder"]
    people = people_of(SCENES[2])
    noise = MapNoise(fading=0.5, spurious=1.0, blur=1.0, texture=0.1, coarse=0.3, offset_noise=0.2, confusion=0.5)
    maps = encoder.render(encoder.marks(people, SIZE)).as_maps()

    def disturbed(seed):
        random = np.random.default_rng(seed)
        return noise.disturbed(maps, people, np.ones(3), encoder, random)

    assert_same_maps(disturbed(1), disturbed(1), encoder.fields)
    changed = [
        not torch.equal(getattr(disturbed(1), field.name), getattr(maps, field.name))
        for field in encoder.fields
        if field.kind == "responses" and getattr(maps, field.name) is not None
    ]
    assert all(changed)
    assert_same_maps(maps, encoder.render(encoder.marks(people, SIZE)).as_maps(), encoder.fields)


def test_views_draw_pictures_of_the_input(name):
    targets = targets_of(name, SCENES[2])
    image = np.full((*SIZE, 3), 128, dtype=np.uint8)
    keypoints = people_of(SCENES[2]).keypoints
    views = load_method(name).views
    assert views
    for view in views.values():
        picture = view.predicted(image, targets.as_maps(), keypoints, SKELETON, 4)
        taught, caption = view.taught(image, targets, keypoints, SKELETON, 4)
        for one in (picture, taught):
            assert one.shape == image.shape
            assert one.dtype == np.uint8
            assert (one != one[:1, :1]).any(), "something is drawn"
        assert caption


def test_export_works_or_is_refused_in_one_line(name):
    method, own = load_method(name), parts(name)
    if method.export is None:
        with pytest.raises(InputError, match=f"method {name} cannot be exported") as error:
            Deployable(network(name), own["decoder"], Preprocessing())
        assert "\n" not in str(error.value)
        return
    deployable = Deployable(network(name), own["decoder"], Preprocessing(), flip=True)
    outputs = deployable(torch.zeros(1, 64, 64, 3, dtype=torch.uint8))
    record = method.export.host.record(*outputs)
    (poses,) = own["decoder"](record)
    assert poses.keypoints.shape[1:] == (17, 3)


def test_the_reference_encodes_and_decodes_the_same(name):
    method, own = load_method(name), parts(name)
    if method.reference is None:
        pytest.skip("this method has no reference")
    people = people_of(SCENES[2])
    targets = image_of(own["encoder"].render(own["encoder"].marks(people, SIZE)), 0)
    plain = method.reference.encode(own["encoder"], people.keypoints, people.scales, SIZE)
    for field, values in zip(method.reference.targets, plain, strict=True):
        np.testing.assert_allclose(getattr(targets, field), values, atol=1e-4)
    maps = as_batch(targets).as_maps()
    (fast,), (slow,) = own["decoder"](maps), method.reference.decoder(own["decoder"])(maps)
    np.testing.assert_array_equal(fast.keypoints, slow.keypoints)
