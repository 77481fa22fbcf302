"""Measures the peak memory of opening and running a file.

It is measured in a process of its own: memory that was given back before is
used again, and does not count.
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
    """Returns the bytes that it takes to open a side's file and run a batch.

    Args:
        side: A side of a comparison.
        x: Flat list of input arrays.

    Raises:
        ValueError: If the system does not count them, or a new process cannot
            load the file, as one with layers of a user's own.
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
    """Returns the bytes that it takes this process to open a file and run a
    batch, those of an `.npz` file."""
    tf.zeros(1) + 1  # TensorFlow's own threads are there before.
    x = [array for _, array in sorted(array_files.read(given).items())]
    with files.appended(_RESET) as counter:
        counter.write("5")  # The peak begins anew.
    before = memory.resident()
    runtimes.open(path)(x)
    return memory.peak() - before
