"""Times two files in new processes.

Each process lays out memory differently, so times vary more between processes
than between alternations in one.
"""

import keras
import numpy as np

from kprune.deploy.comparison import children, inputs, sides, timing
from kprune.deploy.exporting.inputs import flat
from kprune.runtime import files

_PROGRAM = """
import json, sys
from kprune.deploy.comparison import processes
print(json.dumps(processes.times(*sys.argv[1:])))
"""


def compare_times(pair, given, repeats, count):
    """Returns the `Timing` of two sides.

    Args:
        pair: The sides before and after.
        given: The inputs of either.
        repeats: Number of alternations in a process.
        count: Number of processes.

    Raises:
        ValueError: If a new process cannot load a file, e.g. because of custom
            layers.
    """
    with (
        files.scratch_directory() as one,
        files.scratch_directory() as other,
        children.inputs_file(*map(flat, given)) as arrays,
    ):
        paths = [
            side.write(place)
            for side, place in zip(pair, (one, other), strict=True)
        ]
        rounds = []
        for _ in range(count):
            rounds.append(_in_process(*paths, arrays, repeats))
    return timing.summary(rounds)


def _in_process(before, after, arrays, repeats):
    try:
        found = children.run(_PROGRAM, before, after, arrays, repeats)
    except ValueError as error:
        raise ValueError(
            f"{before.name} and {after.name} cannot be timed in a new process: "
            f"{error}"
        ) from error
    return [np.array(one) for one in found]


def times(before, after, arrays, repeats):
    """Returns two lists of the seconds of the alternations of two files."""
    functions = [
        _inference(path, x)
        for path, x in zip((before, after), children.read(arrays), strict=True)
    ]
    found = timing.times_of(*functions, int(repeats))
    return [one.tolist() for one in found]


def _inference(path, x):
    side = sides.of("path", path)
    if side.model is not None:
        x = keras.tree.pack_sequence_as(inputs.structure(side.model), x)
    return side.inference(x)
