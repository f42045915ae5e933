"""Command-line programs: one file per command, each a Hydra application with ``conf/<name>.yaml``."""
