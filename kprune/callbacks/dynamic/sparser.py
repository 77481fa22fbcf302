"""Shared parts of updaters whose sparsity changes during training."""

import dataclasses
import math

import numpy as np

from kprune.callbacks.dynamic.training_state import MaskUpdate
from kprune.masking.masks import count_kept, top_k
from kprune.pruning import schedules
from kprune.runtime import checks


@dataclasses.dataclass(frozen=True)
class SparsityRise:
    """A cubic rise of a model's sparsity.

    Args:
        sparsity: Number in [0, 1), final, over all weights whose masks move.
        until: Number in (0, 1], the share of the time between begin and end
            over which the sparsity rises. Defaults to 1. The last update
            reaches the final sparsity in any case.
    """

    sparsity: float
    until: float = 1.0

    def __post_init__(self):
        checks.number("sparsity", self.sparsity, "[0, 1)")
        checks.number("until", self.until, "(0, 1]")

    def begin(self, moment):
        """Returns the model's current sparsity, from which it rises.

        Raises:
            ValueError: If it is above the final sparsity.
        """
        kept, least = sum(moment.kept.values()), self.last(moment)
        if kept < least:
            raise ValueError(
                f"Expected a model that keeps {least} weights at least, to be "
                f"brought to `sparsity={self.sparsity}`. Received one that "
                f"keeps {kept}."
            )
        return 1 - kept / _size(moment)

    def count(self, moment, initial):
        """Returns how many weights stay now, rising from `initial`."""
        share = min(moment.progress / self.until, 1.0)
        if moment.updates_left == 0 or share == 1:
            return self.last(moment)
        now = schedules.cubic(share, self.sparsity, initial)
        return count_kept(_size(moment), min(max(now, 0.0), 1.0))

    def last(self, moment):
        """Returns how many weights stay in the end."""
        return count_kept(_size(moment), self.sparsity)


def largest(moment, count, active=True):
    """Returns masks of the largest weights of the whole model, a dict.

    Args:
        moment: The `TrainingState`.
        count: Integer, the number of weights. If there are fewer, all are
            marked.
        active: Whether to choose among active weights only. Defaults to
            `True`.
    """
    sizes = {name: np.abs(w) for name, w in moment.weights.items()}
    among = {
        name: mask if active else np.ones_like(mask)
        for name, mask in moment.masks.items()
    }
    flat = np.concatenate([sizes[name][m] for name, m in among.items()])
    if not np.isfinite(flat).all():
        raise ValueError(
            f"The weights at step {moment.step} hold NaN or infinite values. "
            "Expected finite numbers: check the learning rate and the data."
        )
    chosen = top_k(flat, min(count, flat.size), moment.rng("largest"))
    found, start = {}, 0
    for name, mask in among.items():
        end = start + int(np.count_nonzero(mask))
        found[name] = np.zeros(mask.shape, bool)
        found[name][mask] = chosen[start:end]
        start = end
    return found


def nothing_fresh(masks):
    """Returns a `MaskUpdate` to these masks that resets no entries."""
    none = {name: np.zeros(m.shape, bool) for name, m in masks.items()}
    return MaskUpdate(masks, none)


def _size(moment):
    return sum(math.prod(mask.shape) for mask in moment.masks.values())
