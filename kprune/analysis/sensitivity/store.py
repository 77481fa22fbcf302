"""Stores measured cells under a digest of what was run.

    cell-<digest>.json    the metrics of a model with some masks

The digest covers the masks, the model's variables, the data, and the metrics of
the unpruned model to five digits. These metrics are measured anew each time, so
that a model with equal variables but another computation has another digest.
"""

import contextlib
import hashlib
import json
import pathlib

import keras
import numpy as np

from kprune.masking import weights
from kprune.runtime import digests, directories, examples, files


class Store:
    """Caches metrics by masks in memory."""

    def __init__(self):
        self._known = {}

    def held(self):
        """Returns the context to measure cells in; here it does nothing."""
        return contextlib.nullcontext()

    def metrics(self, masks, measure, what):
        """Returns the cached metrics of masks, or measures them.

        Args:
            masks: Dict from name to a boolean array.
            measure: Function from masks to a dict of metrics.
            what: Dict that describes the cell to a reader of its file.
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
        """Caches metrics that have been measured already."""
        self._known[_key(masks)] = metrics

    def _read(self, key):
        del key

    def _write(self, key, record):
        """A no-op: nothing is stored on disk."""


class Directory(Store):
    """A store that keeps metrics in the files of a directory.

    Args:
        directory: Path of the directory, which is created if missing.
        model: A built Keras model.
        batches: A `kprune.scoring.batches.Batches`.
        baseline: Dict of the metrics of the model before it is pruned.
    """

    def __init__(self, directory, model, batches, baseline):
        super().__init__()
        self._path = pathlib.Path(directory)
        files.make_directory(self._path)
        variables = ((name, np.asarray(v)) for name, v in weights.named(model))
        masks = ((w.name, np.asarray(w.mask)) for w in _masked(model))
        digits = {name: f"{value:.5g}" for name, value in baseline.items()}
        parts = [
            digests.of_arrays(variables),
            digests.of_arrays(masks),
            digests.of_arrays(_arrays(batches)),
            json.dumps(digits, sort_keys=True),
        ]
        self._identity = "\n".join(parts)

    def held(self):
        """Locks the directory against other processes for a `with` block;
        raises `kprune.runtime.locks.Held` if one holds it."""
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
    return digests.of_arrays({n: np.packbits(m) for n, m in masks.items()})


def _arrays(batches):
    for place in range(batches.count()):
        for leaf in keras.tree.flatten(batches.at(place)):
            for part in examples.components(leaf):
                yield place, part
