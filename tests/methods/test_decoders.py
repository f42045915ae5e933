"""Decoders as plain values: rebuilt without change, and changed by existing options only."""

import json
from dataclasses import replace

import pytest

from gog_pose.decoding import GogDecoder
from gog_pose.errors import InputError
from gog_pose.methods import load_method, method_names, method_of
from gog_pose.methods.centernet.decoder import CenterDecoder
from gog_pose.methods.decoders import build_decoder, change_decoder, decoder_options, describe_decoder
from gog_pose.methods.gog.official import OfficialDecoder
from gog_pose.methods.gog.reference import dense
from gog_pose.skeleton import load_skeleton

COCO = load_skeleton("coco_19")


@pytest.mark.parametrize(
    "decoder",
    [
        GogDecoder(COCO, topk=7, reach=0.3, score="mean"),
        OfficialDecoder(COCO, topk=7, gate=3.5),
        CenterDecoder(COCO, topk=7, keypoint_topk=3),
    ],
)
def test_a_decoder_is_built_again_from_plain_values(decoder):
    description = json.loads(json.dumps(describe_decoder(decoder)))
    assert build_decoder(COCO, method_of(decoder), description) == decoder
    assert change_decoder(decoder, {}) == decoder
    assert change_decoder(decoder, {"topk": 9}) == replace(decoder, topk=9)


@pytest.mark.parametrize("method", method_names())
def test_every_rule_of_a_method_is_built_by_its_name(method):
    for rules, kind in load_method(method).decoders.items():
        decoder = build_decoder(COCO, method, {"rules": rules, "stride": 8})
        assert type(decoder) is kind
        assert decoder.stride == 8
        assert describe_decoder(decoder)["rules"] == rules
        assert "skeleton" not in decoder_options(decoder)


def test_without_rules_the_default_of_the_method_is_built():
    ours = GogDecoder(COCO, stride=2, topk=7)
    description = describe_decoder(ours)
    del description["rules"]
    assert build_decoder(COCO, "gog", description) == ours  # checkpoints that are older than the choice


def test_other_rules_start_from_their_own_defaults_and_keep_the_stride():
    ours = GogDecoder(COCO, stride=2, topk=7)
    assert change_decoder(ours, {"rules": "official", "gate": 5.0}) == OfficialDecoder(COCO, stride=2, gate=5.0)
    assert change_decoder(ours, {"rules": "gog"}) == ours


def test_rules_and_options_that_do_not_exist_are_refused():
    ours = GogDecoder(COCO)
    with pytest.raises(InputError, match=r"rules.*theirs.*choose gog or official"):
        change_decoder(ours, {"rules": "theirs"})
    with pytest.raises(InputError, match=r"rules.*official.*choose centernet"):
        change_decoder(CenterDecoder(COCO), {"rules": "official"})
    with pytest.raises(InputError, match=r"reach.*choose from.*person_threshold"):
        change_decoder(OfficialDecoder(COCO), {"reach": 1.0})
    with pytest.raises(InputError, match=r"decoder\.topk: must be a whole number from 1"):
        change_decoder(ours, {"topk": 0})
    with pytest.raises(InputError, match=r"'giraffe' is unknown; choose .*centernet, gog"):
        build_decoder(COCO, "giraffe", {})


def test_the_dense_form_of_a_decoder_has_its_options_and_no_description_of_its_own():
    decoder = GogDecoder(COCO, topk=7)
    assert decoder_options(dense(decoder)) == decoder_options(decoder)
    with pytest.raises(InputError, match="no dense form"):
        dense(OfficialDecoder(COCO))
