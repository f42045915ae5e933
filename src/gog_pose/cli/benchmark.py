"""``gog-benchmark``: measurement of time and memory, with one benchmark per file of ``conf/what``."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich.console import Console

from gog_pose.cli.runtime import command, instantiate, resolved
from gog_pose.system.results import results_path, versions, write_results

_FILE_WIDTH = 120  # characters per line if the output is not a terminal


@command("benchmark")
def main(config: DictConfig) -> None:
    """Run one benchmark, print its tables and write them as JSON."""
    results = results_path(config.results)
    benchmark = instantiate(config.benchmark)
    record: dict[str, Any] = benchmark.run()
    choices = HydraConfig.get().runtime.choices
    left_out = ("benchmark", "paths", "results")
    settings = {name: value for name, value in resolved(config).items() if name not in left_out}
    groups = ("skeleton", "method", "noise", "model", "optim", "data", "augmentation")
    record = {
        "what": choices["what"],
        **record,
        "settings": {**settings, "choices": {group: choices[group] for group in groups if group in choices}},
        "versions": versions(),
        "machine": processor(),
    }
    write_results(results, record)
    console = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
    for table in benchmark.tables(record):
        console.print(table)
    print(f"{choices['what']} -> {results}")


def processor() -> str:
    """Return the name of the CPU, if the system provides it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
