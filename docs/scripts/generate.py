"""Generation of two documentation pages from other files: the configuration reference and the changelog.

``make docs`` calls this script. The generated pages are not committed.
"""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CONF = REPOSITORY / "conf"
DOCS = REPOSITORY / "docs"
INTRODUCTION = """# Configuration reference

This page is generated from the YAML files in `conf/`. Each command reads the file with its name, and `group=option`
selects one file of a group. `gog-train --cfg job` prints the composed configuration of a run. The comment after a value
states its meaning and its unit.
"""


def code(path: Path) -> str:
    """Return a YAML file as a section of the page."""
    name = path.relative_to(CONF).with_suffix("").as_posix()
    return f"### `{name}`\n\n```yaml\n{path.read_text('utf-8').rstrip()}\n```\n"


def configuration() -> str:
    """Return the configuration reference: the commands, then all groups of options."""
    sections = [INTRODUCTION, "## Commands\n", *map(code, sorted(CONF.glob("*.yaml")))]
    for group in sorted(path for path in CONF.iterdir() if path.is_dir() and path.name != "local"):
        sections += [f"## Group `{group.name}`\n", *map(code, sorted(group.rglob("*.yaml")))]
    return "\n".join(sections)


if __name__ == "__main__":
    (DOCS / "configuration.md").write_text(configuration(), "utf-8")
    (DOCS / "changelog.md").write_text((REPOSITORY / "CHANGELOG.md").read_text("utf-8"), "utf-8")
