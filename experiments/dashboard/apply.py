"""Makes the saved view that dashboard.yaml describes in a project of W&B.

    python experiments/dashboard/apply.py [--entity TEAM] [--project gog_pose] [--print]

It needs ``pip install 'gog-pose[dashboard]'`` and an API key (``wandb login``); with ``--print`` it shows what it would
send and needs no key. Each call makes another view: delete the old one in the browser.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import wandb
import yaml

try:
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws
except ImportError:
    sys.exit("apply.py: error: wandb-workspaces is not installed; pip install 'gog-pose[dashboard]'")

DESCRIPTION = Path(__file__).parent / "dashboard.yaml"
STEPS = "trainer/global_step"  # the optimizer's, along which all curves run


def workspace(description: dict[str, Any], entity: str, project: str) -> ws.Workspace:
    """Build the view; nothing is sent."""
    runs = description["runs"]
    return ws.Workspace(
        entity=entity,
        project=project,
        name=description["name"],
        sections=[
            ws.Section(name=section["name"], panels=[panel(**entry) for entry in section["panels"]], is_open=True)
            for section in description["sections"]
        ],
        settings=ws.WorkspaceSettings(x_axis=STEPS),
        runset_settings=ws.RunsetSettings(
            groupby=[ws.Metric(name) for name in runs["group_by"]],
            order=[ws.Ordering(ws.Summary(runs["order_by"]), ascending=False)],
            pinned_columns=["run:displayName", *runs["columns"]],
        ),
    )


def panel(type: str, **arguments: Any) -> Any:
    """Build a panel, of a class of wandb_workspaces by its name."""
    if type == "LinePlot":
        arguments["x"] = STEPS
    return getattr(wr, type)(**arguments)


def main() -> None:
    """Build the view and send it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entity", help="user or team that has the project; by default that of the API key")
    parser.add_argument("--project", default="gog_pose")
    parser.add_argument("--print", action="store_true", help="show what would be sent, and send nothing")
    options = parser.parse_args()
    description = yaml.safe_load(DESCRIPTION.read_text(encoding="utf-8"))
    if options.print:
        view = workspace(description, options.entity or "", options.project)
        print(json.dumps(view._spec["spec"], indent=2))
        return
    try:
        entity = options.entity or wandb.Api().default_entity
        workspace(description, entity, options.project).save()
    except wandb.errors.Error as error:
        print(f"apply.py: error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
