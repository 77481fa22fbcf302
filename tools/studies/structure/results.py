"""What methods leave of a network: the cells of a study, read back."""

import json
import operator
import pathlib

import numpy as np


class Results:
    """Cells, by what they are of. Values are arrays over the seeds.

    `layers` are the names of the weights, in the order of the network, `sizes`
    their numbers of entries, and `stages` their names up to the first
    underscore, such as `"block5"`.
    """

    def __init__(self, paths):
        records = [json.loads(pathlib.Path(path).read_text()) for path in paths]
        place = operator.itemgetter("method", "sparsity", "batches", "seed")
        self._cells = {place(record): record for record in records}
        self.layers = list(records[0]["size"])
        self.sizes = np.array(list(records[0]["size"].values()))
        self.stages = [name.split("/")[0].split("_")[0] for name in self.layers]
        self.seeds = sorted({r["seed"] for r in records})
        self.methods = list(dict.fromkeys(r["method"] for r in records))[1:]
        self.sparsities = sorted({r["sparsity"] for r in records} - {0.0})

    def batches(self, method):
        """Returns the numbers of batches that a method saw, sorted, or raises
        `LookupError` if it has no cells."""
        found = {key[2] for key in self._cells if key[0] == method}
        if not found:
            raise LookupError(f"no cells of {method}")
        return sorted(found)

    def value(self, key, method, sparsity, batches=None):
        """Returns an entry of the cells, such as `"saliency"`, one for each
        seed. Batches default to the most. Raises `LookupError` if there is no
        such cell."""
        batches = self.batches(method)[-1] if batches is None else batches
        cells = [
            self._cells.get((method, sparsity, batches, seed))
            for seed in self.seeds
        ]
        if None in cells:
            raise LookupError(f"no cells of {method} at {sparsity}")
        return [cell[key] for cell in cells]

    def kept(self, method, sparsity):
        """Returns how many weights each layer keeps: seeds x layers."""
        found = self.value("kept", method, sparsity)
        return np.array([[kept[n] for n in self.layers] for kept in found])

    def shares(self, method, sparsity):
        """Returns the share that each layer keeps, the mean over the seeds."""
        return self.kept(method, sparsity).mean(0) / self.sizes

    def empty(self, method, sparsity):
        """Returns how many layers are left without weights, for each seed."""
        return (self.kept(method, sparsity) == 0).sum(1)

    def over_dense(self, key, method, sparsity, batches=None):
        """Returns an entry over the dense network's, of the means over the
        seeds."""
        return self._ratio(
            self.value(key, method, sparsity, batches),
            self.value(key, "dense", 0.0),
        )

    def relative(self, key, method, sparsity, batches=None):
        """Returns an entry over that of the dense network of the same seed, an
        array over the seeds."""
        own = self.value(key, method, sparsity, batches)
        return np.array(own) / np.array(self.value(key, "dense", 0.0))

    def over_snip(self, method, sparsity, batches=None):
        """Returns the saliency over SNIP's, of the means over the seeds."""
        return self.gain((method, batches), ("snip", None), sparsity)

    def gain(self, one, other, sparsity):
        """Returns the saliency over that of another way to prune, both (method,
        batches): the ratio of the means over the seeds; infinite if the other
        way leaves none, NaN if neither does."""
        values = [
            self.value("saliency", method, sparsity, batches)
            for method, batches in (one, other)
        ]
        return self._ratio(*values)

    def _ratio(self, one, other):
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.mean(one) / np.mean(other))
