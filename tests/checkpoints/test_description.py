"""Checkpoints: plain values that name trunk and method, from which the network and decoder are rebuilt."""

import json
import zipfile

import pytest
import torch
from small_networks import network_of

from gog_pose.checkpoints.description import (
    KEY,
    NETWORK_PREFIX,
    describe,
    read_checkpoint,
    read_network,
    require_same_kind,
)
from gog_pose.errors import InputError
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.methods import load_method, method_names
from gog_pose.methods.decoders import describe_decoder
from gog_pose.skeleton import load_skeleton

PREPROCESSING = Preprocessing(long_side=192, channel_order="bgr")


def content_of(method, skeleton="coco_19", **options):
    network = network_of(method, skeleton=skeleton, stacks=2, **options)
    decoder = load_method(method).decoder(network.skeleton, stride=network.stride)
    weights = {f"{NETWORK_PREFIX}{name}": tensor for name, tensor in network.state_dict().items()}
    return {KEY: describe(network, decoder, PREPROCESSING), "state_dict": weights}, network, decoder


def saved(content, path):
    torch.save(content, path)
    return path


@pytest.mark.parametrize("method", method_names())
@pytest.mark.parametrize("with_neck", [False, True])
def test_network_decoder_and_preprocessing_are_built_again(method, with_neck, tmp_path):
    content, network, decoder = content_of(method, with_neck=with_neck)
    trained = read_network(saved(content, tmp_path / "model.ckpt"))
    assert trained.decoder == decoder
    assert trained.preprocessing == PREPROCESSING
    assert trained.network.to_dict() == network.to_dict()
    assert trained.network.method == method
    image = torch.randn(1, 3, 32, 48)
    outputs, expected = (one.eval()(image)[-1] for one in (trained.network, network))
    assert all(one is other is None or torch.equal(one, other) for one, other in zip(outputs, expected, strict=True))


@pytest.mark.parametrize("method", method_names())
def test_a_description_names_format_method_and_trunk_in_plain_values(method):
    description = content_of(method)[0][KEY]
    assert description["format"] == 3
    assert description["method"] == method
    assert description["network"]["trunk"]["name"] == "hourglass"
    assert "gog_pose." not in json.dumps(description)  # JSON takes it, and no code is named


@pytest.mark.parametrize("field", ["skeleton", "method", "network", "decoder", "preprocessing"])
def test_a_missing_entry_is_reported_in_one_line(field, tmp_path):
    content = content_of("gog")[0]
    del content[KEY][field]
    with pytest.raises(InputError, match=rf"model\.ckpt.*{field}") as error:
        read_network(saved(content, tmp_path / "model.ckpt"))
    assert "\n" not in str(error.value)


def test_weights_that_do_not_fit_are_reported_in_one_line(tmp_path):
    content = content_of("gog")[0]
    content["state_dict"].popitem()
    with pytest.raises(InputError, match=r"model\.ckpt.*does not match the weights") as error:
        read_network(saved(content, tmp_path / "model.ckpt"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 4}, "format: is 4, but this version reads 1 to 3"),
        ({"format": None}, "format: is None"),
        ({"method": "giraffe"}, "method: 'giraffe' is unknown"),
        ({"decoder": {"rules": "giraffe"}}, r"decoder\.rules: 'giraffe' is unknown"),
        ({"decoder": {"neck": 3}}, r"decoder\.neck: is not an option"),
    ],
)
def test_what_this_version_cannot_read_is_refused(change, words, tmp_path):
    content = content_of("gog")[0]
    content[KEY].update(change)
    with pytest.raises(InputError, match=words):
        read_network(saved(content, tmp_path / "model.ckpt"))


def test_other_files_are_refused_and_no_code_in_them_runs(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read_checkpoint(tmp_path / "absent.ckpt")
    (tmp_path / "text.ckpt").write_text("not a checkpoint")
    with pytest.raises(InputError, match=r"not a file of torch\.save"):
        read_checkpoint(tmp_path / "text.ckpt")
    with pytest.raises(InputError, match="gog_pose: is missing"):
        read_checkpoint(saved({"state_dict": {}}, tmp_path / "other.ckpt"))

    class Mine:
        def __reduce__(self):
            return (tmp_path / "ran").write_text, ("code ran",)

    with pytest.raises(InputError, match="would run code"):
        read_checkpoint(saved({KEY: Mine()}, tmp_path / "code.ckpt"))
    assert not (tmp_path / "ran").exists()


def test_another_skeleton_or_method_is_refused_with_the_remedy():
    content, network, _ = content_of("gog")
    require_same_kind(content, network)
    with pytest.raises(InputError, match=r"trained with method=centernet.*set method=centernet"):
        require_same_kind(content_of("centernet")[0], network)
    other = load_skeleton("coco_44").name
    with pytest.raises(InputError, match=rf"44 limbs.*set skeleton={other}"):
        require_same_kind(content_of("gog", skeleton="coco_44")[0], network)


def test_descriptions_of_format_1_written_before_there_were_refinements_are_read(tmp_path):
    content, network, decoder = content_of("gog")
    trunk = {name: value for name, value in network.to_dict()["trunk"].items() if name != "name"}
    options = {name: value for name, value in describe_decoder(decoder).items() if name not in ("rules", "localizer")}
    description = {key: content[KEY][key] for key in ("skeleton", "preprocessing")}
    content[KEY] = {"format": 1, "network": {"trunk": trunk, "offset_unit": 1.0}, "decoder": options, **description}
    trained = read_network(saved(content, tmp_path / "old.ckpt"))
    assert trained.network.to_dict() == network.to_dict()
    assert trained.decoder == decoder


def first_weight(content):
    return next(name for name, tensor in content["state_dict"].items() if tensor.ndim == 4)


@pytest.mark.parametrize(
    "damage",
    [
        lambda weight: torch.full_like(weight, torch.nan),
        lambda weight: weight.where(weight != weight.max(), torch.inf),
        lambda weight: weight.to_sparse(),
        lambda weight: weight[:1, :1, :1, :1].expand(weight.shape),  # one number in the file, any number of them in use
        lambda weight: weight.to(torch.complex64),
        lambda weight: weight.to(torch.int64),
        lambda weight: weight.bool(),
        lambda weight: weight.to("meta"),
        lambda weight: weight.tolist(),
    ],
)
def test_weights_that_are_not_finite_dense_real_numbers_are_refused(tmp_path, damage):
    content = content_of("gog")[0]
    name = first_weight(content)
    content["state_dict"][name] = damage(content["state_dict"][name])
    with pytest.raises(InputError, match=rf"model\.ckpt: .*{name.removeprefix(NETWORK_PREFIX)}") as error:
        read_network(saved(content, tmp_path / "model.ckpt"))
    assert "\n" not in str(error.value)


def test_weights_of_another_precision_are_converted(tmp_path):
    content, network, _ = content_of("gog")
    content["state_dict"] = {
        name: tensor.double() if tensor.is_floating_point() else tensor
        for name, tensor in content["state_dict"].items()
    }
    read = read_network(saved(content, tmp_path / "model.ckpt")).network
    assert {tensor.dtype for tensor in read.parameters()} == {torch.float32}
    torch.testing.assert_close(read.state_dict(), network.state_dict())


def nested(depth):
    """A few lists that stand for 10 ** depth values."""
    value = [1] * 10
    for _ in range(depth - 1):
        value = [value] * 10
    return value


@pytest.mark.parametrize(
    ("entry", "name", "value"),
    [
        ("trunk", "stacks", 10**9),
        ("trunk", "stacks", 60),  # in the range, but more than the file holds
        ("trunk", "stacks", "many"),
        ("trunk", "channels", [10**12] * 3),
        ("trunk", "channels", nested(9)),
        ("trunk", "blocks", [64, 64, 64]),
        ("heads", "offset_unit", float("nan")),
        ("decoder", "topk", 2.5),
        ("decoder", "threshold", float("inf")),
        ("decoder", "localizer", nested(9)),
        ("preprocessing", "long_side", -64),
        ("preprocessing", "long_side", 10**9),
        ("preprocessing", "std", [0.0, 1.0, 1.0]),
        ("preprocessing", "mean", ["a", "b", "c"]),
    ],
)
def test_what_a_checkpoint_describes_is_bounded(tmp_path, entry, name, value):
    content = content_of("gog")[0]
    description = content[KEY]
    part = description["network"][entry] if entry in ("trunk", "heads") else description[entry]
    part[name] = value
    with pytest.raises(InputError, match=r"model\.ckpt: ") as error:
        read_network(saved(content, tmp_path / "model.ckpt"))
    assert len(str(error.value)) < 600


def test_a_compressed_file_is_refused(tmp_path):
    """A few bytes of it can stand for gigabytes."""
    source = saved(content_of("gog")[0], tmp_path / "model.ckpt")
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(tmp_path / "small.ckpt", "w", zipfile.ZIP_DEFLATED) as small:
        for name in whole.namelist():
            small.writestr(name, whole.read(name))
    with pytest.raises(InputError, match=r"small\.ckpt: is compressed"):
        read_checkpoint(tmp_path / "small.ckpt")
