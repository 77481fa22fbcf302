"""Replaces attributes for one thread only."""

import contextlib
import threading


class ThreadPatches:
    """Puts patches in place while some thread is inside, and takes them off
    after the last.

    What is put in place asks `value` what the current thread is inside of, and
    does what was there before where that is `None`. So other threads notice
    nothing.

    Args:
        put_on: Function that replaces what is to be replaced.
        take_off: Function that undoes it.
    """

    def __init__(self, put_on, take_off):
        self._put_on, self._take_off = put_on, take_off
        self._lock = threading.Lock()
        self._inside = 0
        self._thread = threading.local()

    @property
    def value(self):
        """What the current thread is inside of, `None` if of nothing."""
        return getattr(self._thread, "value", None)

    @contextlib.contextmanager
    def within(self, value):
        """Gives the current thread a value for the length of a block."""
        before, self._thread.value = self.value, value
        with self._lock:
            if self._inside == 0:
                self._put_on()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._take_off()
            self._thread.value = before
