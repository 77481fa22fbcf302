"""How far masks have moved: in all, from the first, and of late."""

import numpy as np

from kprune.masking import masks as masks_


class Exploration:
    """Follows the masks of a training.

    Args:
        masks: Dict of the masks to begin with, by name.

    Attributes:
        exploration: Share of the weights that were ever active, which Liu et
            al. (2021, https://arxiv.org/abs/2102.02887) find to go with
            accuracy (in-time over-parameterization).
        overlap: Jaccard index of the masks now and to begin with.
        churn: Entries that changed at the updates since `begin_epoch`, as a
            share of all entries.
        kept: Number of active weights.
        sparsity: Share of the weights that are not.
    """

    def __init__(self, masks):
        self._first = self._now = masks
        self._ever = {name: mask.copy() for name, mask in masks.items()}
        self._changed = 0
        self._total = sum(mask.size for mask in masks.values())

    def begin_epoch(self):
        """Begins to count changes anew."""
        self._changed = 0

    def follow(self, masks):
        """Takes note of new masks."""
        for name, mask in masks.items():
            self._changed += int(np.count_nonzero(mask ^ self._now[name]))
            self._ever[name] |= mask
        self._now = masks

    @property
    def exploration(self):
        return _count(self._ever) / self._total

    @property
    def overlap(self):
        return masks_.overlap(self._first, self._now)

    @property
    def churn(self):
        return self._changed / self._total

    @property
    def kept(self):
        return _count(self._now)

    @property
    def sparsity(self):
        return (self._total - self.kept) / self._total

    def get_state(self):
        """Returns all of it but the masks now, which the model has."""
        return {
            "first": {n: np.packbits(m) for n, m in self._first.items()},
            "ever": {n: np.packbits(m) for n, m in self._ever.items()},
            "changed": self._changed,
        }

    def set_state(self, state):
        """Takes back what `get_state` returned."""
        self._first = self._unpacked(state["first"])
        self._ever = self._unpacked(state["ever"])
        self._changed = state["changed"]

    def _unpacked(self, bits):
        return {
            name: np.unpackbits(bits[name], count=mask.size)
            .astype(bool)
            .reshape(mask.shape)
            for name, mask in self._now.items()
        }


def _count(masks):
    return sum(int(np.count_nonzero(mask)) for mask in masks.values())
