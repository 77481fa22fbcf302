"""One update of the masks: drop, then grow.

    kept  = the active entries but for `drop_counts` of lowest `drop_scores`
    grown = the `grow_counts` of highest `grow_scores` among the `candidates`
    mask  = kept or grown

Each method of the literature overrides the parts in which its paper differs.
"""

import copy
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kprune.callbacks.dynamic.training_state import (
    MaskUpdate,
    TrainingState,
    counts,
)
from kprune.masking.masks import top_k
from kprune.pruning import schedules
from kprune.runtime import checks, lookup, methods

_NEEDS = (None, "gradients", "momenta")


class MaskUpdater:
    """Drops and grows weights of a sparse network; their number is constant.

    By default it drops a share of the smallest weights of each layer and grows
    as many at random. Override the methods below, or pass functions of a
    `kprune.callbacks.dynamic.TrainingState` that return dicts by weight name.

    Args:
        drop_fraction: Initial share of the active weights of each layer that
            an update drops, in [0, 1]. Defaults to 0.3.
        final_drop_fraction: The final share, in [0, 1]. Defaults to 0.
        anneal: How the share changes from the first to the second:
            `"constant"` (not at all), or a schedule (`kprune.schedules`).
            Defaults to `"cosine"`.
        needs: What the scores depend on besides the weights: `None`,
            `"gradients"` or `"momenta"`.
        drop_scores: Function of (moment) that returns a dict of scores; the
            lowest are dropped. Defaults to the absolute values of the weights.
        grow_scores: Function of (moment) that returns a dict of scores; the
            highest grow. Defaults to random numbers.
        grow_counts: Function of (moment, kept, candidates) that returns a dict
            of integers (see the method). Defaults to as many as were dropped.

    Attributes:
        every, end: Durations, the defaults of the interval between updates and
            of the time when they end.
        skip_step: Whether an update with gradients replaces a gradient step.
        keeps_slots: Whether dropped and grown entries keep the optimizer's
            slots.
        keep_pruned_values: Whether pruned entries keep their values and train.
        acts: Whether it ever changes anything.
        acts_after_steps: Whether it acts after each step, instead of between
            some steps.
        needs_pruned: Whether the model must be pruned already.
        remembers: Names of the attributes, without their leading underscore,
            that make up the state to resume from.

    Example:

    >>> import numpy as np
    >>> class Largest(kprune.callbacks.dynamic.MaskUpdater):
    ...     def drop_scores(self, moment):
    ...         return {n: -np.abs(w) for n, w in moment.weights.items()}
    >>> callback = kprune.callbacks.DynamicSparseTraining(Largest(0.1))
    """

    every: int | str = "100it"
    end: int | str = "75%"
    needs: str | None = None
    skip_step: bool = False
    keeps_slots: bool = False
    keep_pruned_values: bool = False
    acts: bool = True
    acts_after_steps: bool = False
    needs_pruned: bool = True
    remembers: tuple[str, ...] = ()

    def __init__(
        self,
        drop_fraction: float = 0.3,
        final_drop_fraction: float = 0.0,
        anneal: str | Callable[..., float] = "cosine",
        needs: str | None = None,
        *,
        drop_scores: Callable[..., dict[str, np.ndarray]] | None = None,
        grow_scores: Callable[..., dict[str, np.ndarray]] | None = None,
        grow_counts: Callable[..., dict[str, int]] | None = None,
    ) -> None:
        checks.number("drop_fraction", drop_fraction, "[0, 1]")
        checks.number("final_drop_fraction", final_drop_fraction, "[0, 1]")
        checks.choice("needs", needs, _NEEDS)
        self.drop_fraction = drop_fraction
        self.final_drop_fraction = final_drop_fraction
        self.anneal = anneal
        constant = isinstance(anneal, str) and anneal == "constant"
        self._schedule = None if constant else schedules.get(anneal)
        if needs is not None:
            self.needs = needs
        names = ("drop_scores", "grow_scores", "grow_counts")
        given = (drop_scores, grow_scores, grow_counts)
        for name, function in zip(names, given, strict=True):
            if function is not None:
                checks.function(name, function)
                setattr(self, name, function)

    @property
    def dense_gradients(self) -> bool:
        """Whether pruned entries get gradients in each step."""
        return self.keep_pruned_values or self.needs == "momenta"

    def start(self, moment: TrainingState) -> None:
        """Sets the updater's state when training begins."""

    def update(self, moment: TrainingState) -> MaskUpdate:
        """Returns the `MaskUpdate` of one update, which the caller applies."""
        kept = self.drop(moment)
        grown = self.grow(moment, kept)
        return MaskUpdate({name: kept[name] | grown[name] for name in kept})

    def drop(self, moment: TrainingState) -> dict[str, np.ndarray]:
        """Returns which active entries stay, a dict of masks."""
        drops, scores = self.drop_counts(moment), self.drop_scores(moment)
        kept = {}
        for name, mask in moment.masks.items():
            count = moment.kept[name] - drops[name]
            kept[name] = best("drop", scores[name], mask, count, moment, name)
        return kept

    def drop_counts(self, moment: TrainingState) -> dict[str, int]:
        """Returns how many entries of each weight are dropped."""
        share = self.fraction(moment)
        return {name: floor(share * n) for name, n in moment.kept.items()}

    def drop_scores(self, moment: TrainingState) -> dict[str, np.ndarray]:
        """Returns scores, the lowest of which among active entries drop."""
        return {name: np.abs(w) for name, w in moment.weights.items()}

    def grow(
        self, moment: TrainingState, kept: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Returns which entries become active, a dict of masks."""
        among = self.candidates(moment, kept)
        grows = self.grow_counts(moment, kept, among)
        total = dropped(moment, kept)
        if sum(grows.values()) != total:
            raise ValueError(
                f"Expected `grow_counts` to add up to the {total} entries that "
                f"were dropped. Received: {grows}"
            )
        scores = self.grow_scores(moment)
        return {
            n: best("grow", scores[n], among[n], grows[n], moment, n)
            for n in kept
        }

    def candidates(
        self, moment: TrainingState, kept: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Returns which entries may grow: all that were not kept."""
        del moment
        return {name: ~mask for name, mask in kept.items()}

    def grow_counts(
        self,
        moment: TrainingState,
        kept: dict[str, np.ndarray],
        candidates: dict[str, np.ndarray],
    ) -> dict[str, int]:
        """Returns how many entries of each weight grow.

        Args:
            moment: The `TrainingState`.
            kept: Dict of masks, the active entries that were not dropped.
            candidates: Dict of masks, the entries that may grow.
        """
        del candidates
        return dropped_counts(moment, kept)

    def grow_scores(self, moment: TrainingState) -> dict[str, np.ndarray]:
        """Returns scores, the highest of which among candidates grow."""
        return {
            name: moment.rng("grow", name).random(mask.shape)
            for name, mask in moment.masks.items()
        }

    def fraction(self, moment: TrainingState) -> float:
        """Returns the share of the active weights to drop now."""
        if self._schedule is None:
            return self.drop_fraction
        return self._schedule(
            moment.progress, self.final_drop_fraction, self.drop_fraction
        )

    def get_state(self) -> dict[str, Any]:
        """Returns the state to resume from: arrays and JSON values."""
        return {n: copy.copy(getattr(self, f"_{n}")) for n in self.remembers}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the state that `get_state` returned."""
        for name in self.remembers:
            setattr(self, f"_{name}", copy.copy(state[name]))


def get(method: str | MaskUpdater, **options: Any) -> MaskUpdater:
    """Returns the updater of a method.

    Args:
        method: A name, or a `MaskUpdater`, which is returned itself.
        **options: Options of a method given by name.

    Raises:
        ValueError: If the method or an option is unknown, or a value is
            invalid.
    """
    if isinstance(method, MaskUpdater):
        checks.no_options(options, "a MaskUpdater")
        return method
    kind = methods.find(method, "DynamicSparseTraining").build
    known = list(inspect.signature(kind).parameters)
    lookup.check_options(options, known, f"method {method!r}")
    return kind(**options)


def dropped_counts(moment, kept):
    """Returns how many active entries of each weight were not kept."""
    return {name: moment.kept[name] - n for name, n in counts(kept).items()}


def dropped(moment, kept):
    """Returns how many active entries were not kept, in all."""
    return sum(dropped_counts(moment, kept).values())


def floor(product):
    """Returns the floor of a product, with a tolerance for floating point:
    0.57 * 100 is slightly below 57."""
    return math.floor(product + 1e-9)


def best(purpose, scores, among, count, moment, name):
    """Returns a mask of the `count` highest scores among the entries marked
    in `among`."""
    scores = np.asarray(scores)
    if scores.shape != among.shape:
        raise ValueError(
            f"Expected {purpose} scores of {name!r} of shape {among.shape}. "
            f"Received: {scores.shape}"
        )
    chosen = np.zeros(among.shape, bool)
    try:
        chosen[among] = top_k(scores[among], count, moment.rng(purpose, name))
    except ValueError as error:
        raise ValueError(
            f"The {purpose} scores of {name!r} at step {moment.step} cannot "
            f"be used: {error}"
        ) from error
    return chosen
