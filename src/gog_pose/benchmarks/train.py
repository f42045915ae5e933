"""Time and memory of a training step with variants of options, and time of the network alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import torch
from rich import box
from rich.table import Table
from torch.optim import Optimizer

from gog_pose.benchmarks.checks import require_cases, require_counts, require_stride
from gog_pose.benchmarks.memory import freed_at_once, in_own_process, peak_memory
from gog_pose.benchmarks.scenes import random_people
from gog_pose.benchmarks.timing import quartiles, seconds
from gog_pose.errors import InputError
from gog_pose.maps.marks import TargetMarks
from gog_pose.methods.method import Encoder, Loss
from gog_pose.networks import PoseNetwork
from gog_pose.networks.network import assembled
from gog_pose.networks.trunk import Trunk
from gog_pose.skeleton import Skeleton
from gog_pose.system.options import Count, CountOrZero, Pixels, Seed
from gog_pose.system.progress import bar

PARTS = ("forward", "loss", "backward", "optimizer")
_COMPARED = ("peak", "activations", "kept")  # kinds of memory
Times: TypeAlias = dict[str, float]  # s, by part and for the whole step
Memory: TypeAlias = dict[str, float]  # MB, by kind


@dataclass(frozen=True)
class StepOptions:
    """Options of a training step; the defaults give a plain step.

    Attributes:
        channels_last: Use the memory layout channels_last for weights and, as a consequence, activations.
        bf16: Run the network with autocast to bfloat16.
        recompute: Recompute the activations of the trunk in the backward pass.
        fused: Use a fused optimizer, which updates all parameters in one kernel.
    """

    channels_last: bool = False
    bf16: bool = False
    recompute: bool = False
    fused: bool = False


class TrainBenchmark:
    """Times a training step by part and measures its memory, for variants of options.

    Each measurement runs in a new process, with three steps: a small one, which also allocates the optimizer's state,
    one for the memory, and one for the time. The order of operations is Lightning's, which clears the old gradients
    after the forward pass.

    Args:
        skeleton: Skeleton of the network.
        trunk: Builds the trunk.
        neck: Name and options of the layers between trunk and heads; None = no layers.
        heads: Builds the heads.
        loss: Computes the loss from maps and targets.
        encoder: Renders the targets of random people.
        optimizer: Builds the optimizer from parameters; must support ``fused``.
        variants: Names and fields of ``StepOptions``; ratios compare with the first variant.
        batches: Batch sizes.
        size: Side of a square input in training, px.
        forward_size: Side of the square input for the network alone, px; one image, in evaluation mode.
        people: Number of people per image.
        device: ``cpu`` or ``cuda``.
        threads: Number of threads on a CPU. With one thread, CPU time is measured, with more the wall clock.
        repeats: Number of alternate measurements.
        seed: Seed of the random people.

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
        loss: Loss,
        encoder: Encoder,
        optimizer: Callable[..., Optimizer],
        variants: Mapping[str, Mapping[str, bool]],
        batches: Sequence[Count],
        size: Pixels,
        forward_size: Pixels,
        people: CountOrZero,
        device: str,
        threads: Count,
        repeats: Count,
        seed: Seed,
    ) -> None:
        require_cases(batches, variants, device)
        require_counts(people=(people, 0), threads=(threads, 1), repeats=(repeats, 1))
        network = assembled(skeleton, trunk(), neck, heads)
        require_stride(network, encoder)
        self.least_size = 2 * network.max_stride  # batch normalization needs more than one cell at the innermost level
        for name, side in (("size", size), ("forward_size", forward_size)):
            if side < self.least_size or side % network.max_stride:
                raise InputError(
                    f"{name}: must be a multiple of {network.max_stride}, {self.least_size} or more for this network,"
                    f" got {side}"
                )
        known = list(StepOptions.__dataclass_fields__)
        for name, options in variants.items():
            if set(options) - set(known):
                raise InputError(f"variants.{name}: has unknown options among {list(options)}; choose from {known}")
        self.variants = {name: StepOptions(**options) for name, options in variants.items()}
        # Only the description is kept, so that the network does not occupy memory during the measurements.
        self.skeleton, self.method, self.description = skeleton, network.method, network.to_dict()
        self.loss = loss
        self.encoder = encoder
        self.optimizer = optimizer
        self.batches = tuple(batches)
        self.size = size
        self.forward_size = forward_size
        self.people = people
        self.device = torch.device(device)
        self.threads = threads
        self.repeats = repeats
        self.seed = seed

    def run(self) -> dict[str, Any]:
        """Measure all combinations.

        Returns:
            ``steps``, one row per batch size and variant, with times in s by part, memory in MB (10^6 bytes) and ratios
            to the first variant; ``forward``, one row per variant that affects the network alone, with times in s.

            Kinds of memory: ``before``, memory of the process before the network is built; ``activations``, the peak
            minus ``before``, parameters, gradients and optimizer state; ``kept``, the tensors that the forward pass
            keeps for the gradients. On a CPU, ``process`` is the peak including the timed step, with freed memory that
            C's allocator has not returned.
        """
        steps: dict[tuple[int, str], list[tuple[Times, Memory]]]
        steps = {(batch, name): [] for batch in self.batches for name in self.variants}
        # Recomputation and the optimizer affect training only.
        alone: dict[str, list[float]]
        alone = {name: [] for name, options in self.variants.items() if not (options.recompute or options.fused)}
        jobs: list[tuple[Callable[[Any], Any], Any, list[Any]]]
        jobs = [(self._train, (batch, self.variants[name]), measured) for (batch, name), measured in steps.items()]
        jobs += [(self._forward, self.variants[name], times) for name, times in alone.items()]
        for function, case, results in bar(jobs * self.repeats, "measuring training steps", len(jobs) * self.repeats):
            results.append(in_own_process(function, case))
        rows: list[dict[str, Any]] = []
        for (batch, name), measured in steps.items():
            row: dict[str, Any] = {
                "batch": batch,
                "variant": name,
                "times": {part: quartiles([times[part] for times, _ in measured]) for part in measured[0][0]},
                "memory": {kind: max(memory[kind] for _, memory in measured) for kind in measured[0][1]},
            }
            first = next((other for other in rows if other["batch"] == batch), row)
            ratios = {part: time["median"] / first["times"][part]["median"] for part, time in row["times"].items()}
            ratios |= {kind: row["memory"][kind] / first["memory"][kind] for kind in _COMPARED}
            rows.append({**row, "ratios": ratios})
        forward = {name: quartiles(times) for name, times in alone.items()}
        return {
            "steps": rows,
            "forward": [
                {"variant": name, "time": time, "ratio": time["median"] / next(iter(forward.values()))["median"]}
                for name, time in forward.items()
            ],
        }

    def tables(self, record: dict[str, Any]) -> list[Table]:
        """Return the record as tables of median times and of memory, with ratios to the first variant in brackets."""
        where = str(self.device) if self.device.type == "cuda" else f"CPU, threads: {self.threads}"
        title = f"of a training step, {self.size}x{self.size}, {where}"
        times = Table(title=f"Time {title}, s", box=box.SIMPLE)
        memory = Table(title=f"Memory {title}, MB", box=box.SIMPLE)
        forward = Table(title=f"Forward alone, {self.forward_size}x{self.forward_size}, s", box=box.SIMPLE)
        for table, columns in (
            (times, ("batch", *PARTS, "step")),
            (memory, ("batch", *_COMPARED)),
            (forward, ("forward",)),
        ):
            table.add_column("variant", no_wrap=True)
            for column in columns:
                table.add_column(column, justify="right", no_wrap=True)
        for row in record["steps"]:
            case, ratios = (row["variant"], str(row["batch"])), row["ratios"]
            medians = {part: time["median"] for part, time in row["times"].items()}
            step = f"{medians.pop('step'):.2f} ({ratios['step']:.2f})"
            times.add_row(*case, *(f"{median:.2f}" for median in medians.values()), step)
            memory.add_row(*case, *(f"{row['memory'][kind]:.0f} ({ratios[kind]:.2f})" for kind in _COMPARED))
        for row in record["forward"]:
            forward.add_row(row["variant"], f"{row['time']['median']:.2f} ({row['ratio']:.2f})")
        return [times, memory, forward]

    def _train(self, case: tuple[int, StepOptions]) -> tuple[Times, Memory]:
        """Return the times and the memory of a step; must run in a new process."""
        batch, options = case
        torch.set_num_threads(self.threads)
        self._load_libraries()
        before = peak_memory(self.device)
        network = self._network(options).train()
        parameters = list(network.parameters())
        optimizer = self.optimizer(parameters, fused=True) if options.fused else self.optimizer(parameters)

        def step(images: torch.Tensor, targets: Any) -> Times:
            clock = [seconds(self.device)]
            with torch.autocast(self.device.type, torch.bfloat16, enabled=options.bf16):
                stacks = network(images)
                clock.append(seconds(self.device))
                total = self.loss(stacks, targets).total
            clock.append(seconds(self.device))
            optimizer.zero_grad()
            total.backward()  # type: ignore[no-untyped-call]
            clock.append(seconds(self.device))
            optimizer.step()
            clock.append(seconds(self.device))
            parts = [end - start for start, end in pairwise(clock)]
            return {**dict(zip(PARTS, parts, strict=True)), "step": clock[-1] - clock[0]}

        kept: dict[int, int] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()  # count storage that several operations keep once
            return tensor

        step(*self._batch(1, self.least_size))  # allocates gradients and the optimizer's state
        images, targets = self._batch(batch, self.size)
        with freed_at_once(self.device), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            step(images, targets)
        peak = peak_memory(self.device)
        times = step(images, targets)
        state = (value for values in optimizer.state.values() for value in values.values())
        for parameter in parameters:
            kept.pop(parameter.untyped_storage().data_ptr(), None)
        memory = {
            "before": before,
            "parameters": sum(parameter.nbytes for parameter in parameters),
            "gradients": sum(parameter.grad.nbytes for parameter in parameters if parameter.grad is not None),
            "optimizer": sum(value.nbytes for value in state if isinstance(value, torch.Tensor)),
        }
        memory["activations"] = peak - sum(memory.values())
        memory |= {"peak": peak, "kept": sum(kept.values()), "process": peak_memory(self.device)}
        return times, {kind: number / 1e6 for kind, number in memory.items()}

    def _forward(self, options: StepOptions) -> float:
        """Return the time of the network for one image, s; must run in a new process."""
        torch.set_num_threads(self.threads)
        network = self._network(options).eval()
        images = self._images(1, self.forward_size)
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=options.bf16):
            network(images)
            start = seconds(self.device)
            network(images)
            return seconds(self.device) - start

    def _load_libraries(self) -> None:
        """Take a step with one weight, so that libraries loaded at first use do not count as memory of the network."""
        layer = torch.nn.Conv2d(1, 1, 1, device=self.device)
        optimizer = self.optimizer(layer.parameters())
        layer(torch.zeros(1, 1, 1, 1, device=self.device)).sum().backward()
        optimizer.step()

    def _network(self, options: StepOptions) -> PoseNetwork:
        torch.manual_seed(self.seed)
        trunk = {**self.description["trunk"], **({"recompute": True} if options.recompute else {})}
        description = {**self.description, "trunk": trunk}
        network = PoseNetwork.from_dict(self.skeleton, self.method, description).to(self.device)
        layout = torch.channels_last if options.channels_last else torch.contiguous_format
        return network.to(memory_format=layout)  # type: ignore[call-overload,no-any-return]

    def _images(self, batch: int, size: int) -> torch.Tensor:
        return torch.randn(batch, 3, size, size).to(self.device)

    def _batch(self, batch: int, size: int) -> tuple[torch.Tensor, Any]:
        random = np.random.default_rng(self.seed)
        scenes = [random_people(self.people, size, self.skeleton.num_keypoints, random) for _ in range(batch)]
        marks = TargetMarks.join([self.encoder.marks(people, (size, size)) for people in scenes])
        return self._images(batch, size), self.encoder.render(marks.to(self.device))
