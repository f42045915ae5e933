"""How fast poses come: images a second, end to end and by stage, of one network in several ways of running it."""

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
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import nn

from gog_pose.benchmarks.checks import require_cases, require_counts
from gog_pose.benchmarks.scenes import random_people
from gog_pose.benchmarks.timing import quartiles, seconds
from gog_pose.decoding import GogDecoder
from gog_pose.encoding import PoseEncoder
from gog_pose.errors import InputError
from gog_pose.evaluation import MapNoise
from gog_pose.export import Deployable, OnnxNetwork, write_onnx
from gog_pose.export.runtime import PlainPixels
from gog_pose.images import read_image
from gog_pose.inference import PRECISIONS, PoseEstimator
from gog_pose.letterboxing import prepare_image
from gog_pose.models import PoseNetwork
from gog_pose.models.folding import fold_norms
from gog_pose.preprocessing import Preprocessing
from gog_pose.records import People

STAGES = ("read", "preprocess", "network", "decode")
_SUFFIXES = (".jpg", ".jpeg", ".png")
_NOISE_IMAGES = 8  # where there are no photographs
_ASPECT = 4 / 3  # of theirs
_COARSE = 16  # px; noise in single pixels would be no JPEG like a photograph's
Answer: TypeAlias = Callable[[torch.Tensor], Any]  # input to maps or candidates


@dataclass(frozen=True)
class RunOptions:
    """A way of running a network; without any it runs as it was trained.

    Attributes:
        fold: Batch normalisations are folded into convolutions.
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
        network: Builds a network of random weights, for lack of a checkpoint.
        decoder: Its decoder.
        preprocessing: How pixels become input.
        checkpoint: Of ``gog-train``; brings its own network, decoder and preprocessing. Without one the maps of people
            drawn at random are decoded, for those of random weights are not like any real ones.
        encoder: Draws them.
        noise: Disturbs them; noisy ones have more peaks.
        people: In each image, likewise.
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
        network: Callable[[], PoseNetwork],
        decoder: GogDecoder,
        preprocessing: Preprocessing,
        checkpoint: str | None,
        encoder: PoseEncoder,
        noise: MapNoise,
        people: int,
        images: str | None,
        long_side: int | None,
        variants: Mapping[str, Mapping[str, Any]],
        batches: Sequence[int] | None,
        flips: Sequence[bool],
        device: str,
        threads: int,
        repeats: int | None,
        seed: int,
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
            trained, chosen = network().eval(), decoder
            self.preprocessing = preprocessing.resized(long_side=long_side)
        if not isinstance(chosen, GogDecoder):
            raise InputError("decoder: its speed cannot be measured here; leave decoder=default")
        assert isinstance(trained, PoseNetwork)
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
            ``rows``, one a batch size, flip and variant: ms an image by stage, of the sum of all (``total``) and the
            ``share`` of each stage in it, ``images_per_second``, and ``ratio`` of the latter to the first variant. A
            variant of ONNX Runtime finds peaks and limbs in ``network``; ``decode`` is the grouping alone.
            ``input``, height and width of the input, ``people``, found in an image on average.
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
        table = Table(
            title=f"Input {width}x{height}, {where}, ms an image and shares; decoded: {record['decoded']}",
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
        drawn = {batch: None if self.trained else self._drawn(batch, (height, width)) for batch in self.batches}
        times: dict[tuple[int, bool, str], list[dict[str, float]]] = {case: [] for case in cases}
        found: list[int] = []
        rounds = [(turn, case) for turn in range(self.repeats + 1) for case in cases]  # the first to warm up
        for turn, case in track(rounds, "timing poses", console=Console(stderr=True)):
            batch, flip, name = case
            start = turn * batch
            chosen = [paths[place % len(paths)] for place in range(start, start + batch)]
            spent, people = self._time(chosen, self.variants[name], ways[flip, name], drawn[batch])
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
        return {"rows": rows, "input": [height, width], "people": sum(found) / images, "decoded": decoded}

    def _time(
        self, paths: Sequence[Path], options: RunOptions, answer: Answer, drawn: tuple[Any, Any] | None
    ) -> tuple[dict[str, float], int]:
        """Return ms an image by stage of one batch, and how many people were found."""
        preprocessing: Preprocessing = self.preprocessing
        if options.onnx:
            preprocessing = PlainPixels(**preprocessing.to_dict())
        clock = [seconds(self.device)]
        pixels = [read_image(path, exif=True) for path in paths]
        clock.append(seconds(self.device))
        prepared = [prepare_image(image, preprocessing, self.network.max_stride).tensor for image in pixels]
        inputs = torch.stack(prepared).to(self.device)
        clock.append(seconds(self.device))
        answered = answer(inputs)
        clock.append(seconds(self.device))
        if drawn is not None:
            answered = drawn[options.onnx]
        poses = self.decoder.group(answered) if options.onnx else self.decoder(answered)
        clock.append(seconds(self.device))
        spent = [end - start for start, end in itertools.pairwise(clock)]
        times = dict(zip((*STAGES, "total"), (*spent, sum(spent)), strict=True))
        return {stage: 1e3 * time / len(paths) for stage, time in times.items()}, sum(map(len, poses))

    def _way(self, name: str, flip: bool, folder: Path) -> Answer:
        """Return the function of a variant that answers a batch of inputs."""
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
        def answer(inputs: torch.Tensor) -> Any:
            inputs = inputs.to(memory_format=layout)
            with torch.autocast(self.device.type, dtype, enabled=dtype is not None):
                maps = network(inputs)[-1]
                return self.decoder.merge_flipped(maps, network(inputs.flip(-1))[-1]) if flip else maps

        return answer

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

    def _drawn(self, batch: int, size: tuple[int, int]) -> tuple[Any, Any]:
        """Return maps of random people and their candidates: what is decoded in place of the network's."""
        maps: list[Any] = []
        for image in range(batch):
            random = np.random.default_rng((self.seed, image))
            keypoints, scales = random_people(self.people, min(size), self.encoder.skeleton.num_keypoints, random)
            drawn = self.encoder(keypoints, scales, size).as_maps()
            people = People(keypoints, scales, boxes=np.zeros((self.people, 4)))
            difficulties = self.noise.difficulties(scales, random)
            maps.append(self.noise.disturbed(drawn, people, difficulties, self.encoder, random))
        joined = type(maps[0])(*(None if field[0] is None else torch.cat(field) for field in zip(*maps, strict=True)))
        return joined, self.decoder.candidates(joined)


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
