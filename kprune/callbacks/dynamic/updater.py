"""One update of the masks: drop, then grow.

    kept  = the active entries but for `drop_counts` of lowest `drop_scores`
    grown = the `grow_counts` of highest `grow_scores` among the `candidates`
    mask  = kept or grown

A method of the literature overrides the piece in which its paper differs.
"""

import copy
import inspect
import math

import numpy as np

from kprune.callbacks.dynamic.training_state import MaskUpdate, counts
from kprune.masking.masks import top_k
from kprune.pruning import schedules
from kprune.runtime import checks, lookup, methods

_NEEDS = (None, "gradients", "momenta")


class MaskUpdater:
    """Moves the weights of a sparse network, their number being kept.

    As it stands, it drops a share of the smallest weights of each layer and
    grows as many at random. Override the methods below, or pass functions of
    a `kprune.callbacks.dynamic.TrainingState` that return dicts by weight name.

    Args:
        drop_fraction: Share of the active weights of each layer that an
            update drops, in [0, 1], at the begin.
        final_drop_fraction: What it comes to at the end. Defaults to 0.
        anneal: How it goes from one to the other: `"constant"` (it does not),
            or a schedule by name (`kprune.schedules`). Defaults to
            `"cosine"`.
        needs: What the scores are taken from beside the weights: `None`,
            `"gradients"` or `"momenta"`.
        drop_scores: Function of (moment) to a dict of scores; the lowest are
            dropped. Defaults to the absolute values of the weights.
        grow_scores: Function of (moment) to a dict of scores; the highest
            grow. Defaults to random numbers.
        grow_counts: Function of (moment, kept, candidates) to a dict of
            integers (see the method). Defaults to as many as were dropped.

    Attributes:
        every, end: Durations, how often updates come and when they cease, by
            default.
        skip_step: Whether an update with gradients takes the place of a step.
        keeps_slots: Whether entries that go and come keep the state that the
            optimizer has of them.
        keep_pruned_values: Whether pruned entries keep their values, and are
            trained.
        acts: Whether it ever changes anything.
        acts_after_steps: Whether it acts after each step, not before some.
        needs_pruned: Whether there must be something pruned already.
        remembers: Names of the attributes, each behind an underscore, that a
            resumed training needs.

    Example:

    >>> import numpy as np
    >>> class Largest(kprune.callbacks.dynamic.MaskUpdater):
    ...     def drop_scores(self, moment):
    ...         return {n: -np.abs(w) for n, w in moment.weights.items()}
    >>> callback = kprune.callbacks.DynamicSparseTraining(Largest(0.1))
    """

    every = "100it"
    end = "75%"
    needs = None
    skip_step = False
    keeps_slots = False
    keep_pruned_values = False
    acts = True
    acts_after_steps = False
    needs_pruned = True
    remembers = ()

    def __init__(
        self,
        drop_fraction=0.3,
        final_drop_fraction=0.0,
        anneal="cosine",
        needs=None,
        *,
        drop_scores=None,
        grow_scores=None,
        grow_counts=None,
    ):
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
    def dense_gradients(self):
        """Whether pruned entries get gradients in each step."""
        return self.keep_pruned_values or self.needs == "momenta"

    def start(self, moment):
        """Begins a training: sets what the updater remembers."""

    def update(self, moment):
        """Returns the `MaskUpdate` of one update. Changes nothing by itself."""
        kept = self.drop(moment)
        grown = self.grow(moment, kept)
        return MaskUpdate({name: kept[name] | grown[name] for name in kept})

    def drop(self, moment):
        """Returns which of the active entries stay, a dict of masks."""
        drops, scores = self.drop_counts(moment), self.drop_scores(moment)
        kept = {}
        for name, mask in moment.masks.items():
            count = moment.kept[name] - drops[name]
            kept[name] = best("drop", scores[name], mask, count, moment, name)
        return kept

    def drop_counts(self, moment):
        """Returns how many entries of each weight are dropped."""
        share = self.fraction(moment)
        return {name: floor(share * n) for name, n in moment.kept.items()}

    def drop_scores(self, moment):
        """Returns scores of which the lowest active ones are dropped."""
        return {name: np.abs(w) for name, w in moment.weights.items()}

    def grow(self, moment, kept):
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

    def candidates(self, moment, kept):
        """Returns which entries may grow: all that were not kept."""
        del moment
        return {name: ~mask for name, mask in kept.items()}

    def grow_counts(self, moment, kept, candidates):
        """Returns how many entries of each weight grow.

        Args:
            moment: The `TrainingState`.
            kept: Dict of masks: what was active and was not dropped.
            candidates: Dict of masks: what may grow.
        """
        del candidates
        return dropped_counts(moment, kept)

    def grow_scores(self, moment):
        """Returns scores of which the highest candidates grow."""
        return {
            name: moment.rng("grow", name).random(mask.shape)
            for name, mask in moment.masks.items()
        }

    def fraction(self, moment):
        """Returns the share of the active weights to drop now."""
        if self._schedule is None:
            return self.drop_fraction
        return self._schedule(
            moment.progress, self.final_drop_fraction, self.drop_fraction
        )

    def get_state(self):
        """Returns what the updater remembers: arrays and what JSON holds."""
        return {n: copy.copy(getattr(self, f"_{n}")) for n in self.remembers}

    def set_state(self, state):
        """Takes back what `get_state` returned."""
        for name in self.remembers:
            setattr(self, f"_{name}", copy.copy(state[name]))


def get(method, **options):
    """Returns the updater that a method stands for.

    Args:
        method: A name, or a `MaskUpdater`, which is returned as it is.
        **options: Options of a method given by name.

    Raises:
        ValueError: If there is no such method or option, or a value is wrong.
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
    """Returns the floor of a product that floating point may have put a hair
    below a whole number, as 0.57 * 100."""
    return math.floor(product + 1e-9)


def best(purpose, scores, among, count, moment, name):
    """Marks the `count` highest scores among the entries marked."""
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
