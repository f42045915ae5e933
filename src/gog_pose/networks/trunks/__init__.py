"""Trunks, one per file; the file's name is the trunk's name in configurations and checkpoints."""
