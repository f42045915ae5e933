"""Time of encoding and decoding, compared with a reference implementation and with another method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from rich import box
from rich.table import Table

from gog_pose.benchmarks.checks import require_counts, require_reference
from gog_pose.benchmarks.scenes import random_people
from gog_pose.benchmarks.timing import one_thread, time_in_turn
from gog_pose.errors import InputError
from gog_pose.evaluation import MapNoise
from gog_pose.methods import method_of
from gog_pose.methods.method import Decoder, Encoder
from gog_pose.system.options import Count, CountOrZero, Pixels, Seed
from gog_pose.system.progress import bar


class CodecBenchmark:
    """Compares the encoder with a loop over people, and the decoder with its dense form and a baseline's decoder.

    All measurements use one thread.

    Args:
        encoder: Encoder of a method with reference implementations.
        decoder: Decoder of the same method.
        baseline_encoder: Encoder of another method, which renders the maps for ``baseline_decoder``.
        baseline_decoder: Decoder of that method.
        noise: Disturbs the maps before decoding; disturbed maps have more peaks.
        people: Numbers of people.
        sizes: Sides of square inputs, px.
        repeats: Number of measurements per function.
        seed: Seed of the random people.

    Raises:
        InputError: A number is out of range, or the method has no reference implementation.
    """

    def __init__(
        self,
        *,
        encoder: Encoder,
        decoder: Decoder,
        baseline_encoder: Encoder,
        baseline_decoder: Decoder,
        noise: MapNoise,
        people: Sequence[CountOrZero],
        sizes: Sequence[Pixels],
        repeats: Count,
        seed: Seed,
    ) -> None:
        if not people or min(people) < 0:
            raise InputError(f"people: must be numbers of 0 or more, got {list(people)}")
        if not sizes or any(size < 1 or size % encoder.stride for size in sizes):
            raise InputError(f"sizes: must be multiples of the stride {encoder.stride}, got {list(sizes)}")
        require_counts(repeats=(repeats, 1))
        self.reference = require_reference(encoder)
        self.encoder = encoder
        self.sparse = decoder
        self.dense = self.reference.decoder(decoder)
        self.baseline_encoder = baseline_encoder
        self.baseline_decoder = baseline_decoder
        self.noise = noise
        self.people = tuple(people)
        self.sizes = tuple(sizes)
        self.repeats = repeats
        self.seed = seed

    def run(self) -> dict[str, Any]:
        """Time all combinations.

        Returns:
            ``rows``, one per size and number of people, with times in ms (``baseline``: the baseline's encoder, and its
            decoder on perfect maps), ratios, and the largest difference between the targets of encoder and loop;
            ``growth``, per size, the ratio of the times for the largest and the smallest number of people;
            ``baseline``, the method of the baseline.
        """
        cases = [(size, people) for size in self.sizes for people in self.people]
        with one_thread():
            progress = bar(cases, "timing encoder and decoder", len(cases))
            rows = [self._time(size, people) for size, people in progress]
        growth = {}
        for size in self.sizes:
            fewest, most = (next(row for row in rows if row["size"] == size and row["people"] == number)
                            for number in (min(self.people), max(self.people)))  # fmt: skip
            growth[str(size)] = {
                "encode": most["encode"]["ours"]["median"] / fewest["encode"]["ours"]["median"],
                "decode": most["decode"]["sparse"]["median"] / fewest["decode"]["sparse"]["median"],
            }
        return {"rows": rows, "growth": growth, "baseline": method_of(self.baseline_decoder)}

    def tables(self, record: dict[str, Any]) -> list[Table]:
        """Return the record as tables of medians, with quartiles in brackets."""
        title = f"{self.encoder.skeleton.num_limbs} limbs, one thread, ms of CPU time"
        encode = Table(title=f"Encoding, {title}", box=box.SIMPLE)
        decode = Table(title=f"Decoding, {title}", box=box.SIMPLE)
        baseline = method_of(self.baseline_decoder)
        for table, columns in ((encode, ("ours", "loop", "zeros only")), (decode, ("sparse", "dense", baseline))):
            for name in ("input", "people", *columns, "ratio"):
                table.add_column(name, justify="right")
        for row in record["rows"]:
            case = f"{row['size']}x{row['size']}", str(row["people"])
            for table, part, names in (
                (encode, row["encode"], ("ours", "loop", "zeros")),
                (decode, row["decode"], ("sparse", "dense", "baseline")),
            ):
                table.add_row(*case, *(_spread(part[name]) for name in names), f"{part['ratio']:.1f}")
        return [encode, decode]

    def _time(self, size: int, people: int) -> dict[str, Any]:
        """Return the row for one input size and number of people."""
        image_size = size, size
        drawn_people = random_people(
            people, size, self.encoder.skeleton.num_keypoints, np.random.default_rng((self.seed, people))
        )

        def ours() -> Any:
            return self.encoder.render(self.encoder.marks(drawn_people, image_size))

        def loop() -> tuple[np.ndarray, ...]:
            return self.reference.encode(self.encoder, drawn_people.keypoints, drawn_people.scales, image_size)

        def baseline() -> Any:
            return self.baseline_encoder.render(self.baseline_encoder.marks(drawn_people, image_size))

        targets = ours()
        drawn = [getattr(targets, name)[0] for name in self.reference.targets]
        pairs = zip(drawn, loop(), strict=True)
        difference = max(float((own - torch.from_numpy(plain)).abs().max()) for own, plain in pairs)
        encode = time_in_turn(
            {
                "ours": ours,
                "loop": loop,
                "zeros": lambda: [np.zeros(maps.shape, dtype=np.float32) for maps in drawn],  # a lower bound
                "baseline": baseline,
            },
            self.repeats,
        )
        maps = targets.as_maps()
        if self.noise != MapNoise():
            random = np.random.default_rng((self.seed, people))
            difficulties = self.noise.difficulties(drawn_people.scales, random)
            maps = self.noise.disturbed(maps, drawn_people, difficulties, self.encoder, random)
        baseline_maps = baseline().as_maps()
        decode = time_in_turn(
            {
                "sparse": lambda: self.sparse(maps),
                "dense": lambda: self.dense(maps),
                "baseline": lambda: self.baseline_decoder(baseline_maps),
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


def _ratio(times: dict[str, dict[str, float]], slow: str, fast: str) -> float:
    return times[slow]["median"] / times[fast]["median"]


def _spread(times: dict[str, float]) -> str:
    return f"{times['median']:.2f} ({times['low']:.2f}-{times['high']:.2f})"
