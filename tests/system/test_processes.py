"""Parallel map over processes: results in order, for any number of processes."""

import math
import os
from functools import partial

import pytest

from gog_pose.system.processes import available_cores, map_in_processes


@pytest.mark.parametrize("workers", [0, 2])
def test_results_come_in_the_order_of_the_jobs(workers):
    jobs = list(range(40))
    assert list(map_in_processes(partial(pow, 2), jobs, workers)) == [2**job for job in jobs]
    assert list(map_in_processes(math.sqrt, [], workers)) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_a_job_arrives(workers):
    with pytest.raises(ValueError, match=r"math domain error|nonnegative"):
        list(map_in_processes(math.sqrt, [4.0, -1.0], workers))


def test_cores_are_those_that_this_process_may_use():
    assert 1 <= available_cores() <= os.cpu_count()
