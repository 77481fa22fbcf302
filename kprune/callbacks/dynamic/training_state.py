"""The state a dynamic method sees, and its answer."""

import dataclasses
import functools
from typing import Any

import numpy as np

from kprune.masking.layouts import Layout
from kprune.runtime import seeds, types


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingState:
    """The state of training between two steps, as an updater sees it.

    All dicts are by weight name. Arrays have the weight's shape; all but masks
    (boolean) are float32 or wider.

    Args:
        step: Integer, the number of steps done.
        progress: The elapsed share of the time between begin and end, in
            [0, 1].
        weights: Dict of the stored values, zero where pruned unless the method
            keeps values under the mask.
        masks: Dict of the masks.
        seed: Integer, the seed of the training.
        gradients: Dict of the dense gradients of the loss on the next batch,
            if the updater needs them.
        momenta: Dict of the optimizer's momenta, if the updater needs them.
        learning_rate: Float, that of the step just done, for an updater that
            acts after each step.
        updates_left: Integer, how many updates come after this one, if known.
        layouts: Dict of the `kprune.masking.layouts.Layout` of each weight.
    """

    step: int
    progress: float
    weights: dict
    masks: dict
    seed: int = 0
    # `| Any`: never `None` for an updater that needs them.
    gradients: dict[str, np.ndarray] | Any = None
    momenta: dict[str, np.ndarray] | Any = None
    learning_rate: float | None = None
    updates_left: int | None = None
    layouts: dict[str, Layout] | Any = None

    def rng(self, *names: str) -> np.random.Generator:
        """Returns a generator seeded by the seed, `names` and the step: equal
        on all workers and in a resumed run."""
        return seeds.stream(self.seed, *names, self.step)

    @functools.cached_property
    def kept(self) -> dict[str, int]:
        """Dict of how many entries each mask keeps."""
        return counts(self.masks)


def counts(masks: types.Masks) -> dict[str, int]:
    """Returns how many entries each mask keeps, a dict."""
    return {name: int(np.count_nonzero(m)) for name, m in masks.items()}


@dataclasses.dataclass(frozen=True, eq=False)
class MaskUpdate:
    """The result of an update.

    Args:
        masks: Dict of the new masks by name.
        fresh: Dict of boolean arrays that mark the entries to reset: value 0
            and optimizer slots 0. Defaults to the kept entries that were
            pruned before.
        weights: Dict of new stored values, if the method changes them.
    """

    masks: dict
    fresh: dict[str, np.ndarray] | None = None
    weights: dict[str, np.ndarray] | None = None
