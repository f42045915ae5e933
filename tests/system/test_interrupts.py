"""The first request to end is recorded, a second Ctrl+C raises, and afterwards the handlers are restored."""

import os
import signal
import threading

import pytest

from gog_pose.system.interrupts import Interrupt, raise_on_termination

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(autouse=True)
def handlers():
    before = [signal.getsignal(number) for number in SIGNALS]
    yield before
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("first", SIGNALS)
def test_the_first_is_noted_and_a_second_ctrl_c_raises(handlers, first):
    def work():
        with Interrupt() as interrupt:
            assert not interrupt.requested
            os.kill(os.getpid(), first)
            assert interrupt.requested
            os.kill(os.getpid(), signal.SIGTERM)  # clusters and launchers both send it
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert [signal.getsignal(number) for number in SIGNALS] == handlers


@pytest.mark.parametrize("number", SIGNALS)
def test_afterwards_the_handler_is_the_one_of_before(number):
    def mine(number, frame):
        """Any handler."""

    signal.signal(number, mine)
    with Interrupt():
        assert signal.getsignal(number) is not mine
    assert signal.getsignal(number) is mine


def test_other_threads_can_work_without_noting():
    requested = []

    def work():
        with Interrupt() as interrupt:
            requested.append(interrupt.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert requested == [False]


def test_termination_can_be_made_an_interrupt():
    raise_on_termination()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
