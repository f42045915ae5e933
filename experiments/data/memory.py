"""Memory of the loading processes, epoch by epoch, MB (10^6 bytes).

python experiments/data/memory.py RESULTS.json data=folder data.root=DIR data.num_workers=2 [OVERRIDE ...]
"""

import json
import sys
from multiprocessing import active_children
from pathlib import Path

from hydra import compose, initialize_config_dir

from gog_pose.cli.runtime import config_dir, instantiate

EPOCHS = 10


def megabytes(process: int, kinds: str) -> float:
    """Return what the kernel counts of a process under names that begin so."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(kinds)) * 1024 / 1e6


results, *overrides = sys.argv[1:]
with initialize_config_dir(config_dir(), version_base="1.3"):
    data = instantiate(compose("train", overrides).data)
data.setup("fit")
loader = data.train_dataloader()
record = {"images": len(data.train_set), "resident": [], "private": []}
for epoch in range(EPOCHS):
    loader.sampler.set_epoch(epoch)
    for batch in loader:
        data.on_after_batch_transfer(batch, 0)
    processes = [process.pid for process in active_children()]
    record["resident"].append([megabytes(process, "Rss") for process in processes])
    record["private"].append([megabytes(process, "Private_") for process in processes])
    print(epoch, record["resident"][-1], record["private"][-1], flush=True)
largest = [max(epoch) for epoch in record["resident"]]
record["growth after the first epoch"] = largest[-1] / largest[0] - 1
Path(results).write_text(json.dumps(record, indent=2) + "\n")
