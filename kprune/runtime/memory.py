"""Measures free memory and this process's memory, in bytes."""

import pathlib
import resource

import tensorflow as tf

_PROC = pathlib.Path("/proc")
_GROUP = pathlib.Path("/sys/fs/cgroup")


def free():
    """Returns how many bytes this process can still allocate, or `None` if that
    is unknown, as on a GPU, for which TensorFlow does not say."""
    if tf.config.list_logical_devices("GPU"):
        return None
    known = [_available(), _left_of_group()]
    return min((one for one in known if one is not None), default=None)


def held():
    """Returns how many bytes this process uses, on the GPU if there is one."""
    if tf.config.list_logical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["current"]
    return resident()


def resident():
    """Returns the resident set size of this process, in bytes."""
    found = _kilobytes("self/status", "VmRSS")
    return _most() if found is None else 1024 * found


def peak():
    """Returns the peak resident set size of this process, in bytes."""
    # On Linux, `getrusage` includes what the parent held when it forked.
    found = _kilobytes("self/status", "VmHWM")
    return _most() if found is None else 1024 * found


def _most():
    # macOS, which has no /proc, reports bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _available():
    found = _kilobytes("meminfo", "MemAvailable")
    return None if found is None else 1024 * found


def _kilobytes(file, name):
    for line in (_read(_PROC / file) or "").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return None


def _left_of_group():
    """Returns the bytes left of the cgroup's limit, `None` without one."""
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
