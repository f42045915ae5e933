"""Freed memory is kept: the pages of a tensor of the same size are not cleared again."""

import platform
import subprocess
import sys

import pytest

COUNT = """
import resource, sys
import torch
from gog_pose.system.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):  # the heap grows at first
    torch.ones(2**24)  # 64 MB
before = faults()
for _ in range(4):
    torch.ones(2**24)
print(faults() - before)
"""


def page_faults(how):
    process = subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, text=True, check=True)
    return int(process.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_memory_of_a_freed_tensor_is_used_again():
    assert page_faults("keep") < 100 < page_faults("default")
