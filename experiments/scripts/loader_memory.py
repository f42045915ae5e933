"""Measures the memory of the loading processes after each epoch, MB (10^6 bytes).

python experiments/scripts/loader_memory.py RESULTS.json data=folder data.root=DIR data.num_workers=2 [OVERRIDE ...]
"""

import json
import sys
from multiprocessing import active_children
from pathlib import Path

from hydra import compose, initialize_config_dir

from gog_pose.cli.runtime import config_dir, instantiate

EPOCHS = 10


def megabytes(process: int, kinds: str) -> float:
    """Return the sum of the kernel's counters of a process whose names begin with ``kinds``; see proc(5)."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(kinds)) * 1024 / 1e6


results, *overrides = sys.argv[1:]
with initialize_config_dir(config_dir(), version_base="1.3"):
    data = instantiate(compose("train", overrides).data)
data.setup("fit")
loader = data.train_dataloader()
# Rss: all resident memory; Pss: shared memory divided among the processes that share it; private: not shared memory.
KINDS = {"resident": "Rss:", "proportional": "Pss:", "private": "Private_"}
record = {"images": len(data.train_set), **{kind: [] for kind in KINDS}}
for epoch in range(EPOCHS):
    loader.sampler.set_epoch(epoch)
    for batch in loader:
        data.on_after_batch_transfer(batch, 0)
    processes = [process.pid for process in active_children()]
    for kind, names in KINDS.items():
        record[kind].append([megabytes(process, names) for process in processes])
    print(epoch, *(f"{kind} {sum(record[kind][-1]):.1f}" for kind in KINDS), flush=True)
sums = {kind: [sum(epoch) for epoch in record[kind]] for kind in KINDS}
record["growth after the first epoch"] = {kind: own[-1] / own[0] - 1 for kind, own in sums.items()}
Path(results).write_text(json.dumps(record, indent=2) + "\n")
