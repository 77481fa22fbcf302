"""Tracks how far masks have moved."""

import numpy as np

from kprune.callbacks.dynamic.training_state import counts
from kprune.masking import masks as masks_


class Exploration:
    """Statistics of the masks over a training.

    Attributes:
        exploration: Share of the weights that were ever active. Liu et al.
            (2021, https://arxiv.org/abs/2102.02887) find it to correlate with
            accuracy (in-time over-parameterization).
        overlap: Jaccard index of the current and the initial masks.
    """

    def __init__(self, masks):
        self._first = self._now = masks
        self._ever = {name: mask.copy() for name, mask in masks.items()}
        self._changed = 0
        self._total = sum(mask.size for mask in masks.values())

    def begin_epoch(self):
        """Resets the count of changes."""
        self._changed = 0

    def follow(self, masks):
        """Records new masks."""
        self._changed += masks_.hamming(masks, self._now)
        for name, mask in masks.items():
            self._ever[name] |= mask
        self._now = masks

    def logs(self):
        """Returns the logs; `mask_churn` counts from `begin_epoch` on."""
        kept = sum(counts(self._now).values())
        return {
            "sparsity": (self._total - kept) / self._total,
            "kept": kept,
            "mask_churn": self._changed / self._total,
            "exploration": self.exploration,
            "overlap": self.overlap,
        }

    @property
    def exploration(self):
        return sum(counts(self._ever).values()) / self._total

    @property
    def overlap(self):
        return masks_.overlap(self._first, self._now)

    def get_state(self):
        """Returns the state, without the current masks (in the model)."""
        return {
            "first": {n: np.packbits(m) for n, m in self._first.items()},
            "ever": {n: np.packbits(m) for n, m in self._ever.items()},
            "changed": self._changed,
        }

    def set_state(self, state):
        """Restores the state that `get_state` returned."""
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
