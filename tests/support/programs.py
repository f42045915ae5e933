"""Programs that run in a new process, where no other test has imported anything."""

import subprocess
import sys


def run_program(program):
    """Run a program; fail with its error output if it does not end with code 0."""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
