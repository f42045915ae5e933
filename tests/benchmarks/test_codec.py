"""The reference loop renders the same targets as the encoder, and the benchmark measures both."""

import numpy as np
import pytest

from gog_pose.benchmarks import CodecBenchmark
from gog_pose.benchmarks.timing import time_in_turn
from gog_pose.decoding import GogDecoder
from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.evaluation import MapNoise
from gog_pose.methods import load_method
from gog_pose.methods.gog.official import OfficialDecoder
from gog_pose.methods.gog.reference import encode_by_loops
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")


def make(**changes):
    baseline = load_method("centernet")
    parts = {
        "encoder": PoseEncoder(SKELETON),
        "decoder": GogDecoder(SKELETON),
        "baseline_encoder": baseline.encoder(SKELETON),
        "baseline_decoder": baseline.decoder(SKELETON),
        "noise": MapNoise(),
    }
    return CodecBenchmark(**{**parts, "people": [1, 3], "sizes": [64], "repeats": 2, "seed": 0, **changes})


@pytest.mark.parametrize("stride", [1, 4])
def test_the_loop_draws_what_the_encoder_draws(stride):
    random = np.random.default_rng(0)
    keypoints = random.uniform(-10, 106, (6, 17, 3)).astype(np.float32)
    keypoints[..., 2] = random.integers(0, 3, (6, 17))
    scales = random.uniform(20, 90, 6).astype(np.float32)
    encoder = PoseEncoder(SKELETON, stride=stride)
    targets = encoder(keypoints, scales, (96, 64))
    heatmaps, offsets, weights = encode_by_loops(
        keypoints, scales, (96, 64), SKELETON, stride=stride, sigma=7.0, support=7, min_response=0.01
    )
    np.testing.assert_allclose(heatmaps, targets.heatmaps, atol=1e-5)
    np.testing.assert_allclose(weights, targets.offset_weights, rtol=1e-5)
    np.testing.assert_allclose(offsets, targets.offsets, atol=1e-3)
    assert (heatmaps > 0).any()
    assert (weights > 0).any()


def test_a_row_for_every_size_and_number_of_people():
    benchmark = make(sizes=[64, 96], noise=MapNoise(spurious=2.0))
    record = benchmark.run()
    assert [(row["size"], row["people"]) for row in record["rows"]] == [(64, 1), (64, 3), (96, 1), (96, 3)]
    for row in record["rows"]:
        assert row["encode"]["largest_difference"] < 1e-3
        assert row["encode"]["ratio"] == row["encode"]["loop"]["median"] / row["encode"]["ours"]["median"]
        assert row["decode"]["ratio"] == row["decode"]["dense"]["median"] / row["decode"]["sparse"]["median"]
        assert row["detections"] >= 1
        assert row["decode"]["baseline"]["median"] > 0
    assert record["baseline"] == "centernet"
    first, last = record["rows"][2], record["rows"][3]
    expected = last["decode"]["sparse"]["median"] / first["decode"]["sparse"]["median"]
    assert record["growth"]["96"]["decode"] == expected
    assert [table.row_count for table in benchmark.tables(record)] == [4, 4]


def test_quartiles_enclose_the_median_and_slow_is_slower():
    def work(n):
        return lambda: sum(range(n))

    times = time_in_turn({"short": work(10_000), "long": work(1_000_000)}, repeats=5)
    for timing in times.values():
        assert 0 < timing["low"] <= timing["median"] <= timing["high"]
    assert times["long"]["median"] > 10 * times["short"]["median"]


@pytest.mark.parametrize(
    "change",
    [
        {"people": []},
        {"people": [-1]},
        {"sizes": [63]},
        {"repeats": 0},
        {"encoder": PoseEncoder(SKELETON, quantize=True)},
        {"decoder": OfficialDecoder(SKELETON)},
    ],
)
def test_senseless_settings_are_refused(change):
    with pytest.raises(InputError, match=next(iter(change))):
        make(**change)


def test_a_method_without_a_plain_implementation_is_refused():
    with pytest.raises(
        InputError,
        match="method: centernet has no reference implementation to compare with; choose associative_embedding or gog",
    ):
        make(encoder=load_method("centernet").encoder(SKELETON))
