"""Loading processes start when the threads of collectives are idle."""

import os

import pytest
import torch.distributed as dist

from gog_pose.data import loader
from gog_pose.data.loader import Loader


@pytest.fixture
def events(monkeypatch):
    """Events while a loader starts its processes, in a process that communicates with others."""
    happened = []
    fork = os.fork

    def forked():
        happened.append("fork")
        return fork()

    monkeypatch.setattr(loader.time, "sleep", lambda seconds: happened.append("pause"))
    monkeypatch.setattr(os, "fork", forked)
    for name, answer in {"is_initialized": True, "get_world_size": 1, "get_rank": 0}.items():
        monkeypatch.setattr(dist, name, lambda answer=answer: answer)
    monkeypatch.setattr(loader, "_FORK_MAY_HANG", True)
    return happened


def test_a_pause_comes_before_the_first_process(events):
    assert list(Loader(range(4), batch_size=None, num_workers=2, multiprocessing_context="fork")) == [0, 1, 2, 3]
    assert events == ["pause", "fork", "fork"]


def test_nothing_waits_where_nothing_forks_or_talks(events, monkeypatch):
    assert list(Loader(range(2), batch_size=None)) == [0, 1]
    monkeypatch.setattr(dist, "is_initialized", lambda: False)
    assert list(Loader(range(2), batch_size=None, num_workers=1, multiprocessing_context="fork")) == [0, 1]
    assert events == ["fork"]
