"""Divides a machine's cores and GPUs among runs."""

import os
import pathlib

import tensorflow as tf

from kprune.runtime import checks

_ROOT = pathlib.Path(__file__).parents[3]
_NO_GPU = "-1"


def cores():
    """Returns how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpus():
    """Returns the GPUs of this process, as named in `CUDA_VISIBLE_DEVICES`."""
    count = len(tf.config.list_physical_devices("GPU"))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    # A value that names no GPU, such as -1, hides all of them.
    return visible[:count] if visible != [""] else list(map(str, range(count)))


def gpus_per_run(name, value):
    """Returns a valid number of GPUs for a run: whole, or a share of one."""
    checks.number(name, value, "[0, inf)")
    expected = "a whole number, or a share such as 0.5: so many runs on one GPU"
    fits = value < 1 or float(value).is_integer()
    return checks.require(fits, name, value, expected)


def gpu_shares(names, jobs, per_run):
    """Returns the names of the GPUs of each concurrent run.

    Args:
        names: List of the GPUs' names.
        jobs: Integer, how many run at a time.
        per_run: Number of GPUs for a run; below 1, a share of one. `None`
            gives a single run all of them, and several one each, in turn.

    Raises:
        ValueError: If there are too few GPUs.
    """
    if per_run is None:
        if jobs == 1 or not names:
            return [names] * jobs
        return [[names[i % len(names)]] for i in range(jobs)]
    if per_run == 0:
        return [[]] * jobs
    together = int(1 / per_run + 1e-9) if per_run < 1 else 1
    width = max(1, int(per_run))
    most = len(names) // width * together
    expected = f"at most {most}, for {len(names)} GPUs at {per_run:g} per run"
    checks.require(jobs <= most, "jobs", jobs, expected)
    starts = [i // together * width for i in range(jobs)]
    return [names[start : start + width] for start in starts]


def environments(jobs, names=(), per_run=None, cpus=None):
    """Returns the environment variables of each of `jobs` worker processes.

    Cores are divided evenly, unless `cpus` gives the threads of a run; GPUs
    are divided by `gpu_shares`. The user's own thread variables take
    precedence over an even share, but not over `cpus`.
    """
    found = []
    for share in gpu_shares(list(names), jobs, per_run):
        one = {**os.environ, **search_path()}
        if cpus:
            one |= of_threads(cpus)
        elif jobs > 1:
            one = {**of_threads(max(1, cores() // jobs)), **one}
        if per_run is not None or (names and jobs > 1):
            one["CUDA_VISIBLE_DEVICES"] = ",".join(share) or _NO_GPU
            # Otherwise TensorFlow reserves all the memory of a GPU.
            one.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        found.append(one)
    return found


def of_threads(count):
    """Returns the variables that set how many threads a process uses."""
    names = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")
    return dict.fromkeys(names, str(count))


def search_path():
    """Returns the variable with which a process finds this one's modules.

    Empty entries of the search path are dropped.
    """
    path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if (_ROOT / "setup.py").exists():  # A checkout need not be installed.
        path.insert(0, str(_ROOT))
    # An empty entry means the current directory, mostly by accident.
    return {"PYTHONPATH": os.pathsep.join(filter(None, path))}
