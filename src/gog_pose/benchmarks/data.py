"""Time and memory of loading training data, compared with a plain implementation, by stage and for whole batches."""

from __future__ import annotations

import io
import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from multiprocessing import active_children
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image
from rich import box
from rich.table import Table
from torch.utils.data import DataLoader, default_collate

from gog_pose.benchmarks.checks import require_counts, require_reference
from gog_pose.benchmarks.memory import in_own_process
from gog_pose.benchmarks.plain_crops import PlainCrop, PlainCrops
from gog_pose.benchmarks.timing import one_thread, quartiles
from gog_pose.data.augmentation import warp_image
from gog_pose.data.datamodule import PoseDataModule
from gog_pose.data.sampler import CropKey, CropSampler
from gog_pose.data.samples import PoseBatch
from gog_pose.errors import InputError
from gog_pose.imaging.reading import to_rgb
from gog_pose.system.options import Count, CountOrZero
from gog_pose.system.progress import bar

WAYS = ("plain", "worker", "device")  # the plain implementation, and this package with each ``encode_on``
IMAGE_STAGES = ("read", "decode", "warp", "color", "normalize", "encode")
BATCH_STAGES = ("collate", "transfer", "draw")
STAGES = (*IMAGE_STAGES, *BATCH_STAGES)
_TOLERANCE = 1e-3  # of target values, because float32 sums depend on the order
Numbers: TypeAlias = dict[str, float]


class DataBenchmark:
    """Times the creation of training crops with targets, and their delivery by loading processes.

    The plain implementation (``PlainCrops``) makes the same crops with OpenCV, NumPy and a loop over people. Its arrays
    are pickled between processes and collated in the training process. This package renders targets in the loading
    ``worker`` or on the ``device``, which is the CPU here.

    Args:
        data: Builds a data module from ``num_workers`` and ``encode_on``.
        num_workers: Numbers of loading processes; ratios compare with the plain implementation with the same number.
        batches: Number of timed batches, after one warm-up batch per loading process.
        images: Number of images for timing the stages; they form one batch.
        repeats: Number of alternate measurements.

    Raises:
        InputError: A number is out of range, the encoder's method has no reference implementation, or the system does
            not report the memory of processes.
    """

    def __init__(
        self,
        *,
        data: Callable[..., PoseDataModule],
        num_workers: Sequence[CountOrZero],
        batches: Count,
        images: Count,
        repeats: Count,
    ) -> None:
        if not num_workers or min(num_workers) < 0:
            raise InputError(f"num_workers: must be numbers of 0 or more, got {list(num_workers)}")
        require_counts(batches=(batches, 1), images=(images, 1), repeats=(repeats, 1))
        self.reference = require_reference(data().encoder)
        if not Path("/proc/self/smaps_rollup").is_file():
            raise InputError("benchmark: needs /proc to measure processes; run it on Linux")
        self.data = data
        self.num_workers = tuple(num_workers)
        self.batches = batches
        self.images = images
        self.repeats = repeats

    def run(self) -> dict[str, Any]:
        """Measure all ways with all numbers of loading processes.

        Returns:
            ``stages``, one row per way: CPU time per image in ms by stage and their ``sum``, in one process, where
            ``transfer`` is the transfer of a batch through pickle or shared memory. ``differing``: the share of target
            values that differ from the plain implementation; where keypoints of two people coincide, the owner of a
            cell is not defined. ``loading``, one row per number of processes and way: ``images_per_second`` by wall
            clock; ``cpu``, ms per image of the training process (``main``) and of all processes (``all``); ``start``, s
            until the annotations are read (``setup``) and from then to the first batch (``first``); ``memory``, private
            memory of the training process and of the largest loading process in MB (10^6 bytes); ``ratio`` of images
            per second and ``cpu_ratio``, compared with the plain implementation.
        """
        stages: dict[str, list[Numbers]] = {way: [] for way in WAYS}
        loaded: dict[tuple[int, str], list[dict[str, Numbers]]]
        loaded = {(workers, way): [] for workers in self.num_workers for way in WAYS}
        jobs: list[tuple[Callable[[Any], Any], Any, list[Any]]]
        jobs = [(self._stages, way, measured) for way, measured in stages.items()]
        jobs += [(self._load, case, measured) for case, measured in loaded.items()]
        for function, case, results in bar(jobs * self.repeats, "loading data", len(jobs) * self.repeats):
            results.append(in_own_process(function, case))
        rows: list[dict[str, Any]] = []
        for (workers, way), measured in loaded.items():
            row: dict[str, Any] = {"workers": workers, "way": way}
            for kind in measured[0]:
                row[kind] = {name: quartiles([one[kind][name] for one in measured]) for name in measured[0][kind]}
            rows.append(row)
        for row in rows:
            plain = next(other for other in rows if other["workers"] == row["workers"])
            row["ratio"] = _median(row, "speed", "images_per_second") / _median(plain, "speed", "images_per_second")
            row["cpu_ratio"] = _median(plain, "cpu", "all") / _median(row, "cpu", "all")
        return {
            "stages": [
                {"way": way, **{stage: quartiles([one[stage] for one in measured]) for stage in measured[0]}}
                for way, measured in stages.items()
            ],
            "loading": rows,
            "differing": self._differing(),
        }

    def tables(self, record: dict[str, Any]) -> list[Table]:
        """Return the record as tables of medians."""
        stages = Table(title="Stages of a training crop in one process, ms of CPU time", box=box.SIMPLE)
        loading = Table(title="Delivery of training batches, ratios to plain in brackets", box=box.SIMPLE)
        stages.add_column("stage")
        for row in record["stages"]:
            stages.add_column(row["way"], justify="right")
        for stage in (*STAGES, "sum"):
            stages.add_row(stage, *(f"{row[stage]['median']:.2f}" for row in record["stages"]))
        stages.add_row("images/s", *(f"{1e3 / row['sum']['median']:.0f}" for row in record["stages"]))
        columns = ("workers", "way", "images/s", "CPU ms", "of it main", "setup s", "first s", "MB main", "MB worker")
        for column in columns:
            loading.add_column(column, justify="left" if column == "way" else "right", no_wrap=True)
        for row in record["loading"]:
            loading.add_row(
                str(row["workers"]),
                row["way"],
                f"{_median(row, 'speed', 'images_per_second'):.0f} ({row['ratio']:.1f})",
                f"{_median(row, 'cpu', 'all'):.1f} ({row['cpu_ratio']:.1f})",
                f"{_median(row, 'cpu', 'main'):.1f}",
                *(f"{_median(row, 'start', name):.1f}" for name in ("setup", "first")),
                *(f"{_median(row, 'memory', name):.0f}" for name in ("main", "worker")),
            )
        return [stages, loading]

    def _ready(self, way: str, workers: int) -> PoseDataModule:
        data = self.data(num_workers=workers, encode_on="device" if way == "device" else "worker")
        data.setup("fit")
        return data

    def _stages(self, way: str) -> Numbers:
        """Return ms per image by stage; must run in a new process."""
        data = self._ready(way, workers=0)
        plain, collate = PlainCrops(data.train_set, self.reference), data.train_dataloader().collate_fn
        keys = [CropKey(0, item % len(data.train_set)) for item in range(self.images)]
        spent = dict.fromkeys(STAGES, 0.0)
        samples: list[Any] = []
        with one_thread():
            for key in keys[:5]:  # warm-up
                _crop(data, plain, way, key)
            for key in keys:
                sample, times = _crop(data, plain, way, key)
                samples.append(sample)
                for stage, seconds in zip(IMAGE_STAGES, times, strict=True):
                    spent[stage] += seconds
            clock = [time.process_time()]
            if way == "plain":  # here the transfer comes first, because the training process collates
                sent = pickle.loads(ForkingPickler.dumps(samples))
                clock.append(time.process_time())
                default_collate(sent)
                clock.append(time.process_time())
                spent["transfer"], spent["collate"] = (end - start for start, end in pairwise(clock))
            else:
                batch = collate(samples)
                clock.append(time.process_time())
                sent = pickle.loads(ForkingPickler.dumps(batch))
                clock.append(time.process_time())
                data.on_after_batch_transfer(sent, 0)
                clock.append(time.process_time())
                spent |= dict(zip(BATCH_STAGES, (end - start for start, end in pairwise(clock)), strict=True))
        spent["sum"] = sum(spent.values())
        return {stage: 1e3 * seconds / len(keys) for stage, seconds in spent.items()}

    def _load(self, case: tuple[int, str]) -> dict[str, Numbers]:
        """Return speed, CPU time, start-up time and memory of loading; must run in a new process."""
        workers, way = case
        begun = time.perf_counter()
        data = self._ready(way, workers)
        ready = time.perf_counter()
        batches = self._arriving(data, way)
        next(batches)
        first = time.perf_counter()
        for _ in range(workers - 1):
            next(batches)
        processes = [process.pid for process in active_children() if process.pid is not None]
        clock, main, others = time.perf_counter(), time.process_time(), sum(map(_cpu_seconds, processes))
        for _ in range(self.batches):
            next(batches)
        clock, main = time.perf_counter() - clock, time.process_time() - main
        others = sum(map(_cpu_seconds, processes)) - others
        images = self.batches * data.batch_size
        return {
            "speed": {"images_per_second": images / clock},
            "cpu": {"main": 1e3 * main / images, "all": 1e3 * (main + others) / images},
            "start": {"setup": ready - begun, "first": first - ready},
            "memory": {
                "main": _private_memory(os.getpid()) / 1e6,
                "worker": max(map(_private_memory, processes), default=0) / 1e6,
            },
        }

    def _arriving(self, data: PoseDataModule, way: str) -> Iterator[Any]:
        """Yield training batches with targets, as the training process receives them, over endless epochs."""
        loader = data.train_dataloader()
        if way != "plain":
            while True:
                for batch in loader:
                    yield data.on_after_batch_transfer(batch, 0)
        plain = PlainCrops(data.train_set, self.reference)
        samples: DataLoader[PlainCrop] = DataLoader(
            plain,
            data.batch_size,
            sampler=CropSampler(plain, data.batch_size, seed=data.seed),
            collate_fn=list,
            num_workers=loader.num_workers,
            worker_init_fn=loader.worker_init_fn,
            persistent_workers=loader.persistent_workers,
        )
        while True:
            yield from map(default_collate, samples)

    def _differing(self) -> float:
        """Return the share of target values that differ from the plain implementation, over the stages' images."""
        data = self._ready("worker", workers=0)
        plain, different, all_values = PlainCrops(data.train_set, self.reference), 0, 0
        for item in range(min(self.images, len(data.train_set))):
            ours, theirs = data.train_set[CropKey(0, item)].targets, plain[CropKey(0, item)]
            names = *self.reference.targets, "mask"
            for name, other in zip(names, (*theirs.targets, theirs.mask), strict=True):
                one = np.asarray(getattr(ours, name))
                different += int((np.abs(one - other) > _TOLERANCE).sum())
                all_values += other.size
        return different / all_values


def _crop(data: PoseDataModule, plain: PlainCrops, way: str, key: CropKey) -> tuple[Any, list[float]]:
    """Make one crop; return the sample of a data set and the CPU times of ``IMAGE_STAGES``, s."""
    crops, straightforward = data.train_set, way == "plain"
    index, random = int(crops.indices[key.item]), key.random(crops.seed)
    clock = [time.process_time()]
    content = crops.images.image_path(index).read_bytes()
    clock.append(time.process_time())
    image = plain.decode(content) if straightforward else to_rgb(Image.open(io.BytesIO(content)))
    clock.append(time.process_time())
    warp = crops.sample_warp(index, image.shape[:2], random)
    size, border = crops.augmentation.crop_size, crops.preprocessing.border_rgb
    crop = plain.warp(image, warp) if straightforward else warp_image(image, warp.matrix, size, border)
    clock.append(time.process_time())
    crop = crops.augmentation.change_color(crop, random)
    clock.append(time.process_time())
    pixels: Any = plain.normalize(crop) if straightforward else crops.preprocessing.to_tensor(crop)
    clock.append(time.process_time())
    targets: Any = plain.encode(index, warp) if straightforward else crops.encode(index, warp)
    clock.append(time.process_time())
    image_id = torch.tensor(crops.images.image_ids[index])
    sample = PlainCrop(pixels, *targets) if straightforward else PoseBatch(pixels, targets, image_id)
    return sample, [end - start for start, end in pairwise(clock)]


def _median(row: dict[str, Any], kind: str, name: str) -> float:
    return float(row[kind][name]["median"])


def _cpu_seconds(process: int) -> float:
    """Return the CPU time used by a process so far, from ``/proc``."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime; see proc(5)


def _private_memory(process: int) -> int:
    """Return the private memory of a process, bytes, from ``/proc``."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
