"""Interface to the operating system: atomic file writing, worker processes, interrupts, results files."""
