"""Checkpoints of format 2: plain values that name trunk and method, from which all is built again."""

import json

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
    assert description["format"] == 2
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
    with pytest.raises(InputError, match=r"model\.ckpt.*fit") as error:
        read_network(saved(content, tmp_path / "model.ckpt"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 3}, "format is 3, this version reads 1 and 2"),
        ({"format": None}, "format is None"),
        ({"method": "giraffe"}, "method: 'giraffe' is unknown"),
        ({"decoder": {"rules": "giraffe"}}, r"decoder\.rules: 'giraffe' is unknown"),
        ({"decoder": {"neck": 3}}, "does not fit"),
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
    with pytest.raises(InputError, match=r"refused|not a file of torch\.save"):
        read_checkpoint(tmp_path / "text.ckpt")
    with pytest.raises(InputError, match="'gog_pose' is missing"):
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
