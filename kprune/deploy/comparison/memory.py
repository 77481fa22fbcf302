"""Measures the peak memory of opening and running a file.

It runs in a new process: in this one, memory freed earlier would be reused and
not counted.
"""

import json
import os
import pathlib
import subprocess
import sys

import tensorflow as tf

from kprune.deploy import runtimes
from kprune.runtime import array_files, files, memory, words

_RESET = pathlib.Path("/proc/self/clear_refs")
_SECONDS = 600
_PROGRAM = """
import sys
from kprune.deploy.comparison import memory
print(memory.taken(*sys.argv[1:]))
"""
_ROOT = pathlib.Path(__file__).parents[3]


def peak(side, x):
    """Returns the peak memory of opening a side's file and running a batch.

    Args:
        side: A side of a comparison.
        x: Flat list of input arrays.

    Returns:
        Integer, in bytes, measured in a new process.

    Raises:
        ValueError: If the system cannot reset its peak counter, or a new
            process cannot load the file, e.g. because of custom layers.
    """
    if not _RESET.exists():
        raise ValueError(f"the system has no {_RESET}")
    with files.scratch_directory() as directory:
        given = pathlib.Path(directory, "inputs.npz")
        files.write_arrays(given, dict(zip(_names(x), x, strict=True)), False)
        done = _run(side.write(directory), given)
    if done.returncode:
        raise ValueError(words.cut(done.stderr.strip().rpartition("\n")[2]))
    return json.loads(done.stdout.splitlines()[-1])


def _run(path, given):
    places = filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")])
    try:
        return subprocess.run(
            [sys.executable, "-P", "-c", _PROGRAM, path, given],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"it took more than {_SECONDS} s") from error


def _names(x):
    return [f"{i:04}" for i in range(len(x))]


def taken(path, given):
    """Returns the bytes that this process needs to open a file and run it on
    the inputs in an `.npz` file."""
    tf.zeros(1) + 1  # Start TensorFlow's threads, which do not count.
    x = [array for _, array in sorted(array_files.read(given).items())]
    with files.appended(_RESET) as counter:
        counter.write("5")  # Resets the peak.
    before = memory.resident()
    runtimes.open(path)(x)
    return memory.peak() - before
