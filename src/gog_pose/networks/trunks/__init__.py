"""One file per trunk; the file's name is the trunk's name in configurations and checkpoints."""
