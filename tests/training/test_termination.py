"""Signals are noted, and given back as they were."""

import os
import signal
import threading

import pytest

from kprune.training.termination import Termination


def test_a_second_interrupt_does_not_wait(heard_interrupts):
    wish = Termination()
    wish.listen()
    try:
        os.kill(os.getpid(), signal.SIGINT)
        assert wish.asked == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        wish.ignore()


def test_what_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        wish = Termination()
        wish.listen()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        wish.ignore()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_hears_no_signals():
    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=Termination().listen)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is before
