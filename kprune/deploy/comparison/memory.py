"""Measures the peak memory of opening and running a file.

It runs in a new process: in this one, memory freed earlier would be reused and
not counted.
"""

import pathlib

import tensorflow as tf

from kprune.deploy import runtimes
from kprune.deploy.comparison import children
from kprune.runtime import files, memory

_RESET = pathlib.Path("/proc/self/clear_refs")
_PROGRAM = """
import sys
from kprune.deploy.comparison import memory
print(memory.taken(*sys.argv[1:]))
"""


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
    with files.scratch_directory() as place, children.inputs_file(x) as given:
        return children.run(_PROGRAM, side.write(place), given)


def taken(path, given):
    """Returns the bytes that this process needs to open a file and run it on
    the inputs in a file."""
    tf.zeros(1) + 1  # Start TensorFlow's threads, which do not count.
    (x,) = children.read(given)
    with files.appended(_RESET) as counter:
        counter.write("5")  # Resets the peak.
    before = memory.resident()
    runtimes.open(path)(x)
    return memory.peak() - before
