"""The first Ctrl+C is noted, the second one raises, and afterwards all is as before."""

import os
import signal

import pytest

from gog_pose.system.interrupts import Interrupt


def test_the_first_is_noted_and_the_second_raises():
    before = signal.getsignal(signal.SIGINT)

    def work():
        with Interrupt() as interrupt:
            assert not interrupt.requested
            os.kill(os.getpid(), signal.SIGINT)
            assert interrupt.requested
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert signal.getsignal(signal.SIGINT) is before


def test_afterwards_the_handler_is_the_one_of_before():
    def mine(number, frame):
        """Any handler."""

    before = signal.signal(signal.SIGINT, mine)
    try:
        with Interrupt():
            assert signal.getsignal(signal.SIGINT) is not mine
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)
