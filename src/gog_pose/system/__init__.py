"""The operating system: complete files, worker processes, interrupts, results as JSON."""
