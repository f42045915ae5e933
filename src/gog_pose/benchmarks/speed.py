"""Speed of prediction with variants of running a network: images per second, end to end and by stage."""

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
_NOISE_IMAGES = 8  # number of noise images, used without photographs
_ASPECT = 4 / 3  # of the noise images
_COARSE = 16  # px per value of noise; noise per pixel would give unusually large JPEG files
Forward: TypeAlias = Callable[[torch.Tensor], Any]  # inputs to maps, or to the output of an exported file


@dataclass(frozen=True)
class RunOptions:
    """Options of running a network; with the defaults it runs as it was trained.

    Attributes:
        fold: Fold batch normalizations into convolutions.
        channels_last: Use the memory layout channels_last for weights and, as a consequence, activations.
        precision: ``32``, or half precision with autocast, ``bf16`` or ``fp16``.
        onnx: Export network and search for peaks and limbs, and run them with ONNX Runtime; excludes the other options.
    """

    fold: bool = False
    channels_last: bool = False
    precision: str = "32"
    onnx: bool = False


class SpeedBenchmark:
    """Times reading, preprocessing, network and decoding for alternate variants of running the network.

    Args:
        skeleton: Skeleton of a network with random weights, which is measured without a checkpoint.
        trunk: Builds the trunk of that network.
        neck: Name and options of the layers between trunk and heads; None = no layers.
        heads: Builds the heads.
        decoder: Decoder of the network.
        preprocessing: Conversion of images to network inputs.
        checkpoint: Checkpoint of ``gog-train``, whose network, decoder and preprocessing are used. Without a
            checkpoint, maps of random people are decoded, because the maps of random weights are not realistic.
        encoder: Renders the maps of random people.
        noise: Disturbs these maps; disturbed maps have more peaks.
        people: Number of random people per image.
        images: Folder of photographs, of which those with the most common shape are used; None = coarse noise, 4:3.
        long_side: Long side of the input, px; None = as in the preprocessing.
        variants: Names and fields of ``RunOptions``; ratios compare with the first variant.
        batches: Batch sizes; None = 1, on a GPU 1 and 8.
        flips: Values of flip: False, True or both; True also predicts on the mirror images.
        device: ``cpu`` or ``cuda``; the decoder always runs on the CPU.
        threads: Number of threads on a CPU. With one thread, CPU time is measured, with more the wall clock.
        repeats: Number of measurements; None = 3, on a GPU 20.
        seed: Seed of random weights, images and people.

    Raises:
        InputError: A number is out of range, or a name is unknown.
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
        on_gpu = device == "cuda"  # much faster, so that more can be measured
        batches = (1, 8)[: 1 + on_gpu] if batches is None else batches
        repeats = (20 if on_gpu else 3) if repeats is None else repeats
        require_cases(batches, variants, device)
        require_counts(people=(people, 0), threads=(threads, 1), repeats=(repeats, 1))
        if not flips:
            raise InputError("flips: must be [false], [true] or both")
        self.variants = {name: _run_options(name, options) for name, options in variants.items()}
        if images is not None and not _photographs(images):
            raise InputError(
                f"images: {images} is not a folder with {', '.join(_SUFFIXES)} files; give a folder of photographs"
            )
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
            raise InputError(f"variants: method {trained.method} cannot be exported; omit variants with onnx")
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
            ``rows``, one per batch size, flip and variant: ms per image by stage and in ``total``, the ``share`` of
            each stage in the total, ``images_per_second``, and its ``ratio`` to the first variant. In variants with
            ONNX Runtime, ``network`` includes a part of the decoder's work. ``input``: height and width of the input.
            ``network``: ``parameters`` and ``gmac``. ``people``: mean number of people found per image.
        """
        threads = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            with tempfile.TemporaryDirectory() as folder:
                return self._measure(Path(folder))
        finally:
            torch.set_num_threads(threads)

    def tables(self, record: dict[str, Any]) -> list[Table]:
        """Return the record as a table of medians, with quartiles or ratios to the first variant in brackets."""
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
        drawn: dict[tuple[int, bool], Any] = {}  # by batch size and whether it has the format of an exported file
        for batch in () if self.trained else self.batches:
            drawn[batch, False] = self._drawn(batch, (height, width))
            if self.export is not None:
                drawn[batch, True] = self.export.graph(self.decoder)(drawn[batch, False])
        times: dict[tuple[int, bool, str], list[dict[str, float]]] = {case: [] for case in cases}
        found: list[int] = []
        rounds = [(turn, case) for turn in range(self.repeats + 1) for case in cases]  # the first is a warm-up
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
        """Return ms per image by stage of one batch, and the number of people found."""
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
        """Return the prediction function of a variant, for a batch of inputs."""
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
        """Return the images with the most common input shape."""
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
        """Return maps of random people, which are decoded instead of the network's maps."""
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
        raise InputError(f"variants.{name}: has unknown options among {list(options)}; choose from {known}")
    chosen = RunOptions(**options)
    if str(chosen.precision) not in PRECISIONS:
        raise InputError(f"variants.{name}.precision: {chosen.precision!r} is unknown; choose {', '.join(PRECISIONS)}")
    if chosen.onnx and len(options) > 1:
        raise InputError(f"variants.{name}: onnx excludes other options, got {list(options)}")
    return chosen


def _photographs(folder: str) -> list[Path]:
    return sorted(path for path in Path(folder).glob("*") if path.suffix.lower() in _SUFFIXES)
