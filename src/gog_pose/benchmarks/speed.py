"""Speed of prediction: images per second, end to end and by stage, of one network in several ways of running it."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image
from rich import box
from rich.table import Table
from torch import nn

from gog_pose.benchmarks.checks import require_cases, require_counts, require_stride
from gog_pose.benchmarks.scenes import random_people
from gog_pose.benchmarks.size import size_of
from gog_pose.benchmarks.timing import quartiles, seconds
from gog_pose.errors import InputError
from gog_pose.estimator import PRECISIONS, PoseEstimator
from gog_pose.evaluation import MapNoise
from gog_pose.export import Deployable, OnnxNetwork, write_onnx
from gog_pose.export.runtime import PlainPixels
from gog_pose.imaging.letterbox import prepare_image
from gog_pose.imaging.preprocessing import Preprocessing
from gog_pose.imaging.reading import read_image
from gog_pose.maps.fields import merge_flipped
from gog_pose.maps.records import joined
from gog_pose.methods import load_method
from gog_pose.methods.method import Decoder, Encoder, Maps
from gog_pose.networks import PoseNetwork
from gog_pose.networks.folding import fold_norms
from gog_pose.networks.network import assembled
from gog_pose.networks.trunk import Trunk
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import Count, CountOrZero, Pixels, Seed
from gog_pose.system.progress import bar

STAGES = ("read", "preprocess", "network", "decode")
_SUFFIXES = (".jpg", ".jpeg", ".png")
_NOISE_IMAGES = 8  # where there are no photographs
_ASPECT = 4 / 3  # of theirs
_COARSE = 16  # px; noise in single pixels would be no JPEG like a photograph's
Forward: TypeAlias = Callable[[torch.Tensor], Any]  # input to maps, or to what an exported file gives


@dataclass(frozen=True)
class RunOptions:
    """A way of running a network; without any it runs as it was trained.

    Attributes:
        fold: Batch normalizations are folded into convolutions.
        channels_last: Weights and, by them, activations lie channel by channel of each pixel.
        precision: ``32``, or half precision by autocast, ``bf16`` or ``fp16``.
        onnx: Exported, with the search for peaks and limbs, and run by ONNX Runtime; nothing else can be chosen then.
    """

    fold: bool = False
    channels_last: bool = False
    precision: str = "32"
    onnx: bool = False


class SpeedBenchmark:
    """Times reading, preprocessing, network and decoding, with each of some ways of running the network, in turn.

    Args:
        skeleton: Of a network of random weights, which is measured where there is no checkpoint.
        trunk: Builds its trunk.
        neck: Name and options of what is between trunk and heads; None: nothing.
        heads: Builds its heads.
        decoder: Its decoder.
        preprocessing: How pixels become input.
        checkpoint: Of ``gog-train``; brings its own network, decoder and preprocessing. Without one the maps of people
            drawn at random are decoded, for those of random weights are not like any real ones.
        encoder: Draws them.
        noise: Disturbs them; noisy ones have more peaks.
        people: In each image that is drawn.
        images: Folder of photographs, of which those of the most common shape are used; None = coarse noise, 4:3.
        long_side: Of the input, px; None = as the preprocessing says.
        variants: Names and fields of ``RunOptions``; ratios are to the first.
        batches: Numbers of images that go through the network together; None = 1, on a GPU 1 and 8.
        flips: Whether to look at the mirror images, too: False, True or both.
        device: ``cpu`` or ``cuda``; the decoder's work is done on the CPU.
        threads: On a CPU. With one, CPU time is measured, with more the wall clock.
        repeats: How often each is measured; None = 3, on a GPU 20.
        seed: Of random weights, images and people.

    Raises:
        InputError: A number or a name makes no sense.
    """

    def __init__(
        self,
        *,
        skeleton: Skeleton,
        trunk: Callable[[], Trunk],
        neck: Mapping[str, Any] | None = None,
        heads: Callable[..., Any],
        decoder: Decoder,
        preprocessing: Preprocessing,
        checkpoint: str | None,
        encoder: Encoder,
        noise: MapNoise,
        people: CountOrZero,
        images: str | None,
        long_side: Pixels | None,
        variants: Mapping[str, Mapping[str, Any]],
        batches: Sequence[Count] | None,
        flips: Sequence[bool],
        device: str,
        threads: Count,
        repeats: Count | None,
        seed: Seed,
    ) -> None:
        on_gpu = device == "cuda"  # where ten minutes of a CPU are seconds
        batches = (1, 8)[: 1 + on_gpu] if batches is None else batches
        repeats = (20 if on_gpu else 3) if repeats is None else repeats
        require_cases(batches, variants, device)
        require_counts(people=(people, 0), threads=(threads, 1), repeats=(repeats, 1))
        if not flips:
            raise InputError("flips: must be [false], [true] or both")
        self.variants = {name: _run_options(name, options) for name, options in variants.items()}
        if images is not None and not _photographs(images):
            raise InputError(f"images: {images} is no folder with {', '.join(_SUFFIXES)}; give a folder of photographs")
        self.trained = checkpoint is not None
        if checkpoint is not None:
            estimator = PoseEstimator.from_checkpoint(checkpoint, long_side=long_side)
            trained, chosen = estimator.network, estimator.decoder
            self.preprocessing = estimator.preprocessing
        else:
            torch.manual_seed(seed)
            trained, chosen = assembled(skeleton, trunk(), neck, heads).eval(), decoder
            require_stride(trained, encoder)
            self.preprocessing = preprocessing.resized(long_side=long_side)
        assert isinstance(trained, PoseNetwork)
        exported = any(options.onnx for options in self.variants.values())
        self.export = load_method(trained.method).export if exported else None
        if exported and self.export is None:
            raise InputError(f"variants: method {trained.method} cannot be exported; leave out those with onnx")
        self.network, self.decoder = trained, chosen
        self.encoder = encoder
        self.noise = noise
        self.people = people
        self.images = images
        self.batches = tuple(batches)
        self.flips = tuple(flips)
        self.device = torch.device(device)
        self.threads = threads
        self.repeats = repeats
        self.seed = seed

    def run(self) -> dict[str, Any]:
        """Measure all combinations.

        Returns:
            ``rows``, one per batch size, flip and variant: ms per image by stage, of the sum of all (``total``) and the
            ``share`` of each stage in it, ``images_per_second``, and its ``ratio`` to that of the first variant. In a
            variant of ONNX Runtime a part of the decoder's work is done in ``network``.
            ``input``, height and width of the input, ``network``, its ``parameters`` and ``gmac``, ``people``,
            found in an image on average.
        """
        threads = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            with tempfile.TemporaryDirectory() as folder:
                return self._measure(Path(folder))
        finally:
            torch.set_num_threads(threads)

    def tables(self, record: dict[str, Any]) -> list[Table]:
        """Return the record as a table: medians, and in brackets quartiles or ratios to the first variant."""
        where = str(self.device) if self.device.type == "cuda" else f"CPU, threads: {self.threads}"
        height, width = record["input"]
        parameters, gmac = record["network"]["parameters"] / 1e6, record["network"]["gmac"]
        table = Table(
            title=f"Input {width}x{height}, {where}, ms per image and shares; decoded: {record['decoded']}",
            caption=f"{parameters:.1f} M parameters, {gmac:.1f} GMAC per image",
            box=box.SIMPLE,
            padding=(0, 1, 0, 0),
        )
        table.add_column("variant", no_wrap=True)
        for column in ("batch", "flip", *STAGES, "total", "images/s"):
            table.add_column(column, justify="right", no_wrap=True)
        for row in record["rows"]:
            table.add_row(
                row["variant"],
                str(row["batch"]),
                "yes" if row["flip"] else "no",
                *(f"{row['times'][stage]['median']:.1f} {row['share'][stage]:3.0%}" for stage in STAGES),
                "{median:.1f} ({low:.1f}-{high:.1f})".format(**row["times"]["total"]),
                f"{row['images_per_second']:.2f} ({row['ratio']:.2f})",
            )
        return [table]

    def _measure(self, folder: Path) -> dict[str, Any]:
        paths = self._paths(folder)
        first = prepare_image(read_image(paths[0], exif=True), self.preprocessing, self.network.max_stride)
        height, width = first.tensor.shape[1:]
        cases = list(itertools.product(self.batches, self.flips, self.variants))
        ways = {(flip, name): self._way(name, flip, folder) for flip in self.flips for name in self.variants}
        drawn: dict[tuple[int, bool], Any] = {}  # by batch size and whether it is as an exported file gives it
        for batch in () if self.trained else self.batches:
            drawn[batch, False] = self._drawn(batch, (height, width))
            if self.export is not None:
                drawn[batch, True] = self.export.graph(self.decoder)(drawn[batch, False])
        times: dict[tuple[int, bool, str], list[dict[str, float]]] = {case: [] for case in cases}
        found: list[int] = []
        rounds = [(turn, case) for turn in range(self.repeats + 1) for case in cases]  # the first to warm up
        for turn, case in bar(rounds, "timing poses", len(rounds)):
            batch, flip, name = case
            start = turn * batch
            chosen = [paths[place % len(paths)] for place in range(start, start + batch)]
            spent, people = self._time(
                chosen, self.variants[name], ways[flip, name], drawn.get((batch, self.variants[name].onnx))
            )
            if turn:
                times[case].append(spent)
                found.append(people)
        rows: list[dict[str, Any]] = []
        for (batch, flip, name), measured in times.items():
            spread = {stage: quartiles([one[stage] for one in measured]) for stage in (*STAGES, "total")}
            total = spread["total"]["median"]
            row: dict[str, Any] = {
                **{"variant": name, "batch": batch, "flip": flip, "times": spread},
                "share": {stage: spread[stage]["median"] / total for stage in STAGES},
                "images_per_second": 1e3 / total,
            }
            plain = next((other for other in rows if (other["batch"], other["flip"]) == (batch, flip)), row)
            rows.append({**row, "ratio": row["images_per_second"] / plain["images_per_second"]})
        images = sum(batch * self.repeats for batch, _, _ in cases)
        decoded = "the network's maps" if self.trained else f"maps of {self.people} random people"
        return {
            "rows": rows,
            "input": [height, width],
            "network": size_of(self.network, (height, width)),
            "people": sum(found) / images,
            "decoded": decoded,
        }

    def _time(
        self, paths: Sequence[Path], options: RunOptions, forward: Forward, drawn: Any
    ) -> tuple[dict[str, float], int]:
        """Return ms per image by stage of one batch, and how many people were found."""
        preprocessing: Preprocessing = self.preprocessing
        if options.onnx:
            preprocessing = PlainPixels(**preprocessing.to_dict())
        clock = [seconds(self.device)]
        pixels = [read_image(path, exif=True) for path in paths]
        clock.append(seconds(self.device))
        prepared = [prepare_image(image, preprocessing, self.network.max_stride).tensor for image in pixels]
        inputs = torch.stack(prepared).to(self.device)
        clock.append(seconds(self.device))
        maps = forward(inputs)
        clock.append(seconds(self.device))
        if drawn is not None:
            maps = drawn
        poses = self.decoder(maps)
        clock.append(seconds(self.device))
        spent = [end - start for start, end in itertools.pairwise(clock)]
        times = dict(zip((*STAGES, "total"), (*spent, sum(spent)), strict=True))
        return {stage: 1e3 * time / len(paths) for stage, time in times.items()}, sum(map(len, poses))

    def _way(self, name: str, flip: bool, folder: Path) -> Forward:
        """Return the function of a variant that takes a batch of inputs."""
        options = self.variants[name]
        if options.onnx:
            path = folder / f"{name}_{flip}.onnx"
            write_onnx(Deployable(self.network, self.decoder, self.preprocessing, flip=flip), path)
            exported = OnnxNetwork(path, self.device.type, threads=self.threads)
            return lambda images: exported(images.cpu())[-1]
        network: nn.Module = deepcopy(self.network).eval()
        if options.fold:
            network = fold_norms(network)
        layout = torch.channels_last if options.channels_last else torch.contiguous_format
        network = network.to(self.device).to(memory_format=layout)  # type: ignore[call-overload]
        dtype = PRECISIONS[options.precision]

        @torch.inference_mode()
        def forward(inputs: torch.Tensor) -> Any:
            inputs = inputs.to(memory_format=layout)
            with torch.autocast(self.device.type, dtype, enabled=dtype is not None):
                maps: Maps = network(inputs)[-1]
                if flip:
                    maps = merge_flipped(maps, network(inputs.flip(-1))[-1], self.decoder.fields)
                return maps

        return forward

    def _paths(self, folder: Path) -> list[Path]:
        """Return the images of the most common shape of input."""
        if self.images is None:
            return list(self._noise(folder))
        shapes = {}
        for path in _photographs(self.images):
            prepared = prepare_image(read_image(path, exif=True), self.preprocessing, self.network.max_stride)
            shapes[path] = prepared.tensor.shape
        common, _ = Counter(shapes.values()).most_common(1)[0]
        return [path for path, shape in shapes.items() if shape == common]

    def _noise(self, folder: Path) -> Iterator[Path]:
        random = np.random.default_rng(self.seed)
        width, height = self.preprocessing.long_side, round(self.preprocessing.long_side / _ASPECT)
        for number in range(_NOISE_IMAGES):
            coarse = random.integers(0, 256, (-(-height // _COARSE), -(-width // _COARSE), 3), dtype=np.uint8)
            path = folder / f"{number}.jpg"
            Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path, quality=90)
            yield path

    def _drawn(self, batch: int, size: tuple[int, int]) -> Maps:
        """Return maps of random people: what is decoded in place of the network's."""
        images: list[Maps] = []
        for image in range(batch):
            random = np.random.default_rng((self.seed, image))
            people = random_people(self.people, min(size), self.encoder.skeleton.num_keypoints, random)
            maps = self.encoder.render(self.encoder.marks(people, size)).as_maps()
            difficulties = self.noise.difficulties(people.scales, random)
            images.append(self.noise.disturbed(maps, people, difficulties, self.encoder, random))
        return joined(images)


def _run_options(name: str, options: Mapping[str, Any]) -> RunOptions:
    known = list(RunOptions.__dataclass_fields__)
    if set(options) - set(known):
        raise InputError(f"variants.{name}: has options {list(options)}, known are {known}")
    chosen = RunOptions(**options)
    if str(chosen.precision) not in PRECISIONS:
        raise InputError(f"variants.{name}.precision: {chosen.precision!r} is unknown; choose {', '.join(PRECISIONS)}")
    if chosen.onnx and len(options) > 1:
        raise InputError(f"variants.{name}: onnx goes with nothing else, got {list(options)}")
    return chosen


def _photographs(folder: str) -> list[Path]:
    return sorted(path for path in Path(folder).glob("*") if path.suffix.lower() in _SUFFIXES)
