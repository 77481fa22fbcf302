"""Replaces attributes for one thread only."""

import contextlib
import threading


class ThreadPatches:
    """Patches that are in place while any thread is in a `within` block.

    The replacement reads `value`, the current thread's, and does what the
    original does if it is `None`. So other threads notice nothing.

    Args:
        put_on: Function that puts the patches in place.
        take_off: Function that undoes it.
    """

    def __init__(self, put_on, take_off):
        self._put_on, self._take_off = put_on, take_off
        self._lock = threading.Lock()
        self._inside = 0
        self._thread = threading.local()

    @property
    def value(self):
        """The value of the current thread's `within` block, or `None`."""
        return getattr(self._thread, "value", None)

    @contextlib.contextmanager
    def within(self, value):
        """Sets the current thread's `value` within the block."""
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
