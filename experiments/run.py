"""Runs studies: the commands of each cell that has no result yet.

    python experiments/run.py STUDY [STUDY ...] [--dry-run] [options]

A training that several cells need runs only once. An interrupted training resumes from its newest checkpoint, and a
finished one is not repeated. After each cell, results are written to RESULTS/<study>.json and, as a table, to
<study>.csv. Run folders are in RUNS.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from study import FOLDER, Cell, Study, add_result, cells, load_study, read_results, study_names

COCO, SYNTHETIC, HELD_OUT = "data/coco", "data/synthetic", "outputs/held_out"
VALIDATION = "person_keypoints_val.json"  # the last file written of a data set
SCALES = ("small", "full")


class Runner:
    """Runs commands, or only prints them.

    Args:
        options: Options of the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.done: set[Path] = set()  # run folders of this call, because a dry run leaves them empty
        self.made = {data for data in (SYNTHETIC, HELD_OUT) if Path(data, "annotations", VALIDATION).is_file()}

    def run(self, study: Study) -> None:
        """Run the cells of a study that have no result yet."""
        settings = settings_of(study, self.options)
        other = next(scale for scale in SCALES if scale != self.options.scale)
        for cell in cells(study, self.options.seeds, settings):
            measured = cell.name in read_results(self.options.results, study["name"])
            if cell.name.startswith(f"{other}_") or not fnmatch.fnmatchcase(cell.name, self.options.cells):
                continue
            if self.options.again or not measured:
                file = self.measure(study["name"], cell)
                if not self.options.dry_run:
                    record = json.loads(file.read_text(encoding="utf-8"))
                    add_result(self.options.results, study["name"], cell.name, record)

    def measure(self, study: str, cell: Cell) -> Path:
        """Run the commands of a cell and return its results file."""
        own = self.options.runs / study / cell.name
        arguments = []
        for program, text in cell.options.items():
            if program == "train":
                file, run = self.train(text, cell.seed)
                arguments = [f"checkpoint={run}/checkpoints/{cell.checkpoint}"]
                continue
            overrides = [*shlex.split(text), *arguments]
            if program == "evaluate":
                overrides += [f"output={own}", *shlex.split(self.options.evaluate)]
            if program == "oracle":
                overrides += [f"annotations={self.options.annotations}", "worst=0", *shlex.split(self.options.oracle)]
            file = own / "results.json"
            self.execute(program, [*overrides, f"results={file}", f"hydra.run.dir={own}"])
        return file

    def train(self, text: str, seed: int | None) -> tuple[Path, Path]:
        """Run a training unless it is finished, and return the results file and the folder of the run."""
        name = name_of_training(text)
        run = self.options.runs / f"{name}-{seed or 0}"
        file = run / "results.json"
        if run not in self.done and not file.is_file():
            overrides = [*shlex.split(text), f"name={name}", f"seed={seed or 0}", f"hydra.run.dir={run}", *resume(run)]
            self.execute("train", [*overrides, *shlex.split(self.options.train)])
        self.done.add(run)
        return file, run

    def execute(self, program: str, overrides: list[str]) -> None:
        """Run a command of the package, after creating the data that it needs."""
        for data in (SYNTHETIC, HELD_OUT):
            if data not in self.made and f"data.root={data}" in overrides:
                self.made.add(data)
                self.make(data)
        self.call([str(self.options.bin / f"gog-{program}"), *overrides])

    def make(self, data: str) -> None:
        """Create a data set: synthetic scenes, or photographs with held-out images for tuning."""
        if data == SYNTHETIC:
            self.execute("synthesize", [f"output={SYNTHETIC}", f"hydra.run.dir={self.options.runs}/synthesize"])
        else:
            self.call([sys.executable, str(FOLDER / "scripts" / "hold_out.py"), self.options.data, HELD_OUT])

    def call(self, command: list[str]) -> None:
        """Run a command; a failure also ends this process."""
        print(shlex.join(command), flush=True)
        if self.options.dry_run:
            return
        process = subprocess.Popen(command)
        while process.returncode is None:
            try:
                process.wait()
            except KeyboardInterrupt:  # the command also received the signal and may still write a checkpoint
                continue
        if process.returncode:
            sys.exit(process.returncode if process.returncode > 0 else 128 - process.returncode)


def name_of_training(text: str) -> str:
    """Return the name of a run: the values of its options, except for the locations of data and features."""
    pairs = [option.partition("=") for option in shlex.split(text)]
    return "-".join(value for key, _, value in pairs if key not in ("data", "data.root", "callbacks.freeze.store"))


def resume(run: Path) -> list[str]:
    """Return the option that continues an unfinished training from its newest checkpoint; empty without checkpoint."""
    checkpoints = [run / "checkpoints" / name for name in ("last.ckpt", "interrupted.ckpt")]
    found = sorted(filter(Path.is_file, checkpoints), key=lambda path: path.stat().st_mtime)
    return [f"resume={found[-1]}"] if found else []


def settings_of(study: Study, options: argparse.Namespace) -> dict[str, str]:
    """Return the values of the placeholders in commands, except for those in the names of cells."""
    return {
        "photographs": f"data={layout(options.data)} data.root={options.data}",
        "scenes": f"data=synthetic data.root={SYNTHETIC}",
        "held_out": f"data=folder data.root={HELD_OUT}",
        "runs": str(options.runs),
        "features": f"callbacks.freeze.store={options.runs / 'features'}",
        "data": options.data,
        "limit": options.limit or str(study.get("limit")),
    }


def layout(data: str) -> str:
    """Return the option of conf/data that matches a folder."""
    is_folder = data == SYNTHETIC or Path(data, "annotations", "person_keypoints_train.json").is_file()
    return "folder" if is_folder else "coco"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line and set defaults that depend on other options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="+", metavar="STUDY", choices=study_names(), help=", ".join(study_names()))
    parser.add_argument("--dry-run", action="store_true", help="only print the commands")
    parser.add_argument("--cells", default="*", metavar="PATTERN", help="only matching cells, e.g. 'small_dark-*'")
    parser.add_argument("--again", action="store_true", help="also measure cells that have a result")
    parser.add_argument("--scale", choices=SCALES, default="small", help="scale of cells that exist in both")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of the trainings")
    parser.add_argument("--limit", help="number of images of an oracle study with a limit; null = all")
    parser.add_argument("--data", help=f"COCO or a COCO-format folder; default: {COCO} or {SYNTHETIC}")
    parser.add_argument("--annotations", help="file of the oracle; default: validation split")
    parser.add_argument("--results", type=Path, default=Path("outputs/studies"), help="folder of the results")
    parser.add_argument("--runs", type=Path, default=Path("outputs/runs"), help="folder of the runs")
    for program in ("train", "evaluate", "oracle"):
        parser.add_argument(f"--{program}", default="", metavar="OVERRIDES", help=f"further options of gog-{program}")
    parser.add_argument("--bin", type=Path, default=Path(sys.executable).parent, help="folder of the commands")
    options = parser.parse_args(arguments)
    if options.data is None:
        options.data = COCO if options.scale == "full" or Path(COCO, "annotations").is_dir() else SYNTHETIC
    if options.annotations is None:
        split = "val2017" if layout(options.data) == "coco" else "val"
        options.annotations = f"{options.data}/annotations/person_keypoints_{split}.json"
    if not options.evaluate and options.scale == "full":
        options.evaluate = "device=cuda"
    return options


def main(arguments: Sequence[str]) -> None:
    """Run the studies that the command line names."""
    options = parse(arguments)
    runner = Runner(options)
    for name in options.studies:
        runner.run(load_study(name))


if __name__ == "__main__":
    main(sys.argv[1:])
