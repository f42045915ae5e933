"""What encoding and decoding cost: ours against the plain ways of doing the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from gog_pose.benchmarks.loops import encode_by_loops
from gog_pose.benchmarks.scenes import random_people
from gog_pose.benchmarks.timing import one_thread, time_in_turn
from gog_pose.center.decoder import CenterDecoder
from gog_pose.center.encoder import CenterEncoder
from gog_pose.center.records import CenterMaps
from gog_pose.decoding import GogDecoder
from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.evaluation import MapNoise
from gog_pose.records import People, PoseMaps


class CodecBenchmark:
    """Times the encoder against a loop over people, and sparse decoding against dense and CenterNet's, on one thread.

    Args:
        encoder: With Gaussian targets, as the loop draws them.
        decoder: With a choice of ``method``, sparse or dense.
        noise: Disturbs the maps that are decoded; noisy ones have more peaks.
        people: Numbers of people.
        sizes: Sides of square inputs, px.
        repeats: How often each is timed.
        seed: What the people follow from.

    Raises:
        InputError: A number makes no sense.
    """

    def __init__(
        self,
        *,
        encoder: PoseEncoder,
        decoder: GogDecoder,
        noise: MapNoise,
        people: Sequence[int],
        sizes: Sequence[int],
        repeats: int,
        seed: int,
    ) -> None:
        if not people or min(people) < 0:
            raise InputError(f"people: must be numbers of 0 or more, got {list(people)}")
        if not sizes or any(size < 1 or size % encoder.stride for size in sizes):
            raise InputError(f"sizes: must be multiples of the stride {encoder.stride}, got {list(sizes)}")
        if encoder.quantise or encoder.refinement:
            raise InputError("encoder: the loop it is compared with draws the targets of encoding=ours only")
        if not isinstance(decoder, GogDecoder):
            raise InputError("decoder: has no sparse and dense method to compare; leave decoder=default")
        if repeats < 1:
            raise InputError(f"repeats: must be 1 or more, got {repeats}")
        self.encoder = encoder
        self.stride = encoder.stride
        self.sparse = replace(decoder, method="sparse")
        self.dense = replace(decoder, method="dense")
        self.noise = noise
        self.people = tuple(people)
        self.sizes = tuple(sizes)
        self.repeats = repeats
        self.seed = seed

    def run(self) -> dict[str, Any]:
        """Time all combinations.

        Returns:
            ``rows``, one a size and number of people, with times in ms (``center`` of CenterNet's decoder, of flawless
            maps), ratios and the largest difference between the targets of encoder and loop; ``growth``, for each size
            by how much encoding and decoding of the most people takes longer than of the fewest.
        """
        cases = [(size, people) for size in self.sizes for people in self.people]
        with one_thread():
            progress = track(cases, "timing encoder and decoder", console=Console(stderr=True))
            rows = [self._time(size, people) for size, people in progress]
        growth = {}
        for size in self.sizes:
            fewest, most = (next(row for row in rows if row["size"] == size and row["people"] == number)
                            for number in (min(self.people), max(self.people)))  # fmt: skip
            growth[str(size)] = {
                "encode": most["encode"]["ours"]["median"] / fewest["encode"]["ours"]["median"],
                "decode": most["decode"]["sparse"]["median"] / fewest["decode"]["sparse"]["median"],
            }
        return {"rows": rows, "growth": growth}

    def tables(self, record: dict[str, Any]) -> list[Table]:
        """Return the record as tables: medians and, in brackets, quartiles."""
        title = f"{self.encoder.skeleton.num_limbs} limbs, one thread, ms of CPU time"
        encode = Table(title=f"Encoding, {title}", box=box.SIMPLE)
        decode = Table(title=f"Decoding, {title}", box=box.SIMPLE)
        for table, columns in ((encode, ("ours", "loop", "zeros only")), (decode, ("sparse", "dense", "CenterNet's"))):
            for name in ("input", "people", *columns, "ratio"):
                table.add_column(name, justify="right")
        for row in record["rows"]:
            case = f"{row['size']}x{row['size']}", str(row["people"])
            for table, part, names in (
                (encode, row["encode"], ("ours", "loop", "zeros")),
                (decode, row["decode"], ("sparse", "dense", "center")),
            ):
                table.add_row(*case, *(_spread(part[name]) for name in names), f"{part['ratio']:.1f}")
        return [encode, decode]

    def _time(self, size: int, people: int) -> dict[str, Any]:
        """Return the row of one input size and number of people."""
        skeleton, image_size = self.encoder.skeleton, (size, size)
        random = np.random.default_rng((self.seed, people))
        keypoints, scales = random_people(people, size, skeleton.num_keypoints, random)
        options = {name: getattr(self.encoder, name) for name in ("stride", "sigma", "support", "min_response")}

        def loop() -> tuple[np.ndarray, ...]:
            return encode_by_loops(keypoints, scales, image_size, skeleton, **options)

        targets = self.encoder(keypoints, scales, image_size)
        drawn = (targets.heatmaps, targets.offsets, targets.offset_weights)
        pairs = zip(drawn, loop(), strict=True)
        difference = max(float((ours - torch.from_numpy(theirs)).abs().max()) for ours, theirs in pairs)
        encode = time_in_turn(
            {
                "ours": lambda: self.encoder(keypoints, scales, image_size),
                "loop": loop,
                "zeros": lambda: [np.zeros(maps.shape, dtype=np.float32) for maps in drawn],  # the least there is to do
            },
            self.repeats,
        )
        random = np.random.default_rng((self.seed, people))
        corners = keypoints[..., :2].min(axis=1), keypoints[..., :2].max(axis=1)
        boxes = np.concatenate([corners[0], corners[1] - corners[0]], axis=1)
        drawn_people, maps = People(keypoints, scales, boxes), targets.as_maps()
        if self.noise != MapNoise():
            difficulties = self.noise.difficulties(scales, random)
            maps = cast("PoseMaps", self.noise.disturbed(maps, drawn_people, difficulties, self.encoder, random))
        center_maps = self._center_maps(drawn_people, image_size)
        center = CenterDecoder(skeleton, stride=self.stride)
        decode = time_in_turn(
            {
                "sparse": lambda: self.sparse(maps),
                "dense": lambda: self.dense(maps),
                "center": lambda: center(center_maps),
            },
            self.repeats,
        )
        return {
            "size": size,
            "people": people,
            "detections": len(self.sparse(maps)[0]),
            "encode": {**encode, "ratio": _ratio(encode, "loop", "ours"), "largest_difference": difference},
            "decode": {**decode, "ratio": _ratio(decode, "dense", "sparse")},
        }

    def _center_maps(self, people: People, image_size: tuple[int, int]) -> CenterMaps:
        """Return what CenterNet's network should answer about these people."""
        encoder = CenterEncoder(self.encoder.skeleton, stride=self.stride)
        return encoder.draw(encoder.marks(people, image_size)).image(0).as_maps()


def _ratio(times: dict[str, dict[str, float]], slow: str, fast: str) -> float:
    return times[slow]["median"] / times[fast]["median"]


def _spread(times: dict[str, float]) -> str:
    return f"{times['median']:.2f} ({times['low']:.2f}-{times['high']:.2f})"
