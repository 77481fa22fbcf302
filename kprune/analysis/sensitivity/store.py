"""Stores measured cells under a digest of what was run.

    cell-<digest>.json    the metrics of a model with some masks

The digest is of the masks, of the model's variables, of the data and of the
metrics of the model as it is, to five digits: these are measured anew each
time, so that a model that computes otherwise is not taken for the same.
"""

import contextlib
import hashlib
import json
import pathlib

import keras
import numpy as np

from kprune.masking import weights
from kprune.runtime import directories, examples, files


class Store:
    """Metrics by masks, kept as long as it lives."""

    def __init__(self):
        self._known = {}

    def held(self):
        """Returns a context within which cells are measured."""
        return contextlib.nullcontext()

    def metrics(self, masks, measure, what):
        """Returns what was measured with masks, or measures it now.

        Args:
            masks: Dict from name to a boolean array.
            measure: Function of the masks that gives a dict of metrics.
            what: Dict that tells a reader of what they are.
        """
        key = _key(masks)
        if key not in self._known:
            found = self._read(key)
            if found is None:
                found = measure(masks)
                self._write(key, {**what, "metrics": found})
            self._known[key] = found
        return self._known[key]

    def put(self, masks, metrics):
        """Takes what was measured with masks already."""
        self._known[_key(masks)] = metrics

    def _read(self, key):
        del key

    def _write(self, key, record):
        """Nothing is kept."""


class Directory(Store):
    """A store that a directory outlives it in.

    Args:
        directory: Path.
        model: A built Keras model.
        batches: A `kprune.scoring.batches.Batches`.
        baseline: Dict of the metrics of the model as it is.
    """

    def __init__(self, directory, model, batches, baseline):
        super().__init__()
        self._path = pathlib.Path(directory)
        files.make_directory(self._path)
        variables = ((name, np.asarray(v)) for name, v in weights.named(model))
        masks = ((w.name, np.asarray(w.mask)) for w in _masked(model))
        digits = {name: f"{value:.5g}" for name, value in baseline.items()}
        parts = [
            _digest(variables),
            _digest(masks),
            _digest(_arrays(batches)),
            json.dumps(digits, sort_keys=True),
        ]
        self._identity = "\n".join(parts)

    def held(self):
        """Lets no other process work in the directory for the length of a
        block; raises `kprune.runtime.locks.Held` if one does."""
        return directories.held(self._path)

    def _read(self, key):
        return (files.read_record(self._file(key)) or {}).get("metrics")

    def _write(self, key, record):
        files.write_record(self._file(key), record)

    def _file(self, key):
        text = f"{self._identity}\n{key}"
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        return self._path / f"cell-{name}.json"


def _masked(model):
    return [w for w in weights.find(model) if w.mask is not None]


def _key(masks):
    return _digest((n, np.packbits(m)) for n, m in sorted(masks.items()))


def _digest(arrays):
    """Returns the digest of (name, array) pairs."""
    found = hashlib.sha256()
    for name, array in arrays:
        found.update(f"{name} {array.dtype} {array.shape}\n".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _arrays(batches):
    for place in range(batches.count()):
        for leaf in keras.tree.flatten(batches.at(place)):
            for part in examples.components(leaf):
                yield place, part
