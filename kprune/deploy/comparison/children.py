"""Runs a program of this package in a new process, on files and inputs."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys

from kprune.runtime import array_files, files, words

_SECONDS = 600
_ROOT = pathlib.Path(__file__).parents[3]


@contextlib.contextmanager
def inputs_file(*batches):
    """Yields the path of a file of flat lists of input arrays, for `read`."""
    arrays = {
        f"{i}/{j:04}": x
        for i, batch in enumerate(batches)
        for j, x in enumerate(batch)
    }
    with files.scratch_directory() as directory:
        path = pathlib.Path(directory, "inputs.npz")
        files.write_arrays(path, arrays, False)
        yield path


def read(path):
    """Returns the lists of input arrays in a file of `inputs_file`."""
    batches = {}
    for name, array in sorted(array_files.read(path).items()):
        batches.setdefault(name.partition("/")[0], []).append(array)
    return list(batches.values())


def run(program, *args):
    """Returns what a program prints last, as JSON.

    Args:
        program: String, in Python.
        *args: Its arguments.

    Raises:
        ValueError: If it fails, e.g. because a new process cannot load a file
            of custom layers.
    """
    places = filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")])
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", program, *map(str, args)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"it took more than {_SECONDS} s") from error
    if done.returncode:
        raise ValueError(words.cut(done.stderr.strip().rpartition("\n")[2]))
    return json.loads(done.stdout.splitlines()[-1])
