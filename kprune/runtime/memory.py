"""How much memory is free, and how much this process holds, in bytes."""

import os
import pathlib
import resource

import tensorflow as tf

_PROC = pathlib.Path("/proc")
_GROUP = pathlib.Path("/sys/fs/cgroup")


def free():
    """Returns how much memory this process may still take, or `None` where
    that is not known: on a GPU, TensorFlow does not say."""
    if tf.config.list_logical_devices("GPU"):
        return None
    known = [_available(), _left_of_group()]
    return min((one for one in known if one is not None), default=None)


def held():
    """Returns how much memory this process holds, on a GPU if there is one."""
    if tf.config.list_logical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["current"]
    pages = _read(_PROC / "self/statm")
    if pages is None:  # In bytes on macOS, which has no /proc: the most so far.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(pages.split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _available():
    for line in (_read(_PROC / "meminfo") or "").splitlines():
        if line.startswith("MemAvailable:"):
            return 1024 * int(line.split()[1])
    return None


def _left_of_group():
    """Returns what a container has left, `None` without a limit."""
    limit = _read(_GROUP / "memory.max")
    taken = _read(_GROUP / "memory.current")
    if taken is None or limit is None or not limit.strip().isdigit():
        return None
    return max(int(limit) - int(taken), 0)


def _read(path):
    try:
        return path.read_text()
    except OSError:
        return None
