"""Gradual pruning: sparsity that grows while the model trains.

Gradual magnitude pruning of Zhu & Gupta, 2017
(https://arxiv.org/abs/1710.01878), ASNI of Damadi et al., 2022, and any other
pruner on any schedule.
"""

import functools
import math
from fractions import Fraction

import keras
import numpy as np

from kprune.callbacks.step_counter import StepCounter
from kprune.masking import weights, wrapping
from kprune.masking.masks import Budget
from kprune.pruning import recipes, schedules, scope
from kprune.runtime import distribution, seeds, user_warnings
from kprune.scoring.batches import Batches
from kprune.scoring.config import ScoringConfig
from kprune.scoring.objective import Objective

_DEFAULTS = {"begin": 0, "end": "75%", "every": "100it"}


class GradualPruning(keras.callbacks.Callback):
    """Prunes a wrapped model step by step while it trains.

    At `begin`, then `every` so many steps, and at `end` the pruner ranks the
    weights as they are by then and sets the masks to the sparsity that its
    schedule has reached. The final sparsity comes at `end`, whatever `every`
    is, or where training ends if that is earlier. Weights that stay keep
    their values.

    What is removed stays away, unless the pruner says `recover=True`. Removed
    weights then keep their values under the mask, but for weight decay, to be
    ranked again and come back with them, as in the code of Zhu & Gupta. Only
    when training ends are they zeroed. (To train them as well, wrap the model
    with `dense_gradients=True`.)

    To Keras' `logs` it adds, after each epoch, of the weights that it prunes:
    `sparsity`, `kept`, how many there are, and `mask_churn`, the share of the
    mask entries that changed at the updates of the epoch. Callbacks that are
    to see them stand after it.

    Args:
        method: `"gmp"` (default), `"asni"`, a name that `kprune.prune` takes,
            a `kprune.Pruner` or a criterion. Each update is one round of the
            pruner, whatever its `rounds`.
        sparsity: Share of the groups to remove in the end, in [0, 1). ASNI
            says it itself.
        begin, end, every: `"200it"` or 200 (steps), `"8ep"` (epochs) or
            `"75%"` (of the whole training). Default to 0, `"75%"` and
            `"100it"`; ASNI prunes after each epoch. With several steps per
            execution, after the execution in which an update falls due.
        initial_sparsity: The sparsity at `begin`. Defaults to 0.
        granularity, allocation, schedule: Replace these of the method. The
            schedule of one that prunes in one shot becomes `"cubic"`.
        data, loss, scoring: What the criterion looks at, as for `kprune.prune`.
            Magnitudes need no data. To resume to the bit, data must come in
            the same order in each process.
        exclude: Names of weights or layers, or regular expressions, to leave
            as they are and out of the count.
        keep_pruned_values: With `recover=True`, whether removed weights keep
            their values (default) or are zeroed and come back as zeros.
        seed: Integer >= 0, for ties and random scores.
        **options: Options of the method, such as ASNI's `alpha`, `beta`,
            `gamma` and `last_prune_epoch`.

    Raises:
        ValueError: If an argument does not fit, or, once training begins, the
            model has no masks (see `kprune.wrap`).

    Example:

    >>> model = kprune.wrap(model)
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adam", loss)
    >>> pruning = kprune.callbacks.GradualPruning("gmp", 0.9, every="10it")
    >>> history = model.fit(train, epochs=2, callbacks=[pruning], verbose=0)
    >>> [round(sparsity, 3) for sparsity in history.history["sparsity"]]
    [0.837, 0.9]
    """

    def __init__(
        self,
        method="gmp",
        sparsity=None,
        *,
        begin=None,
        end=None,
        every=None,
        initial_sparsity=None,
        granularity=None,
        allocation=None,
        schedule=None,
        data=None,
        loss=None,
        scoring=None,
        exclude=(),
        keep_pruned_values=None,
        seed=0,
        **options,
    ):
        super().__init__()
        found = recipes.gradual(method, **options)
        self._by_epoch = (
            found if isinstance(found, recipes.EpochSchedule) else None
        )
        self._timing = {"begin": begin, "end": end, "every": every}
        self._sparsity = sparsity
        self._initial = initial_sparsity
        if self._by_epoch is not None:
            self._refuse_course(method, schedule)
            found = found.pruner
        self.pruner = _with_axes(found, granularity, allocation, schedule)
        if self.pruner.after_pruning is not None:
            raise ValueError(
                "GradualPruning leaves kept weights as they are trained. "
                f"Received a method that changes them: {method!r}"
            )
        if self._by_epoch is None:
            self._check_course()
        self._keep_pruned_values = _checked_keeping(
            keep_pruned_values, self.pruner.recover
        )
        self._scoring_config = _merged_scoring(scoring, self.pruner.scoring)
        seeds.check(seed)
        self._seed = seed
        self._data = data
        self._loss = loss
        self._exclude = exclude
        self._batches = None

    def _refuse_course(self, method, schedule):
        given = {
            **self._timing,
            "sparsity": self._sparsity,
            "initial_sparsity": self._initial,
            "schedule": schedule,
        }
        given = [name for name, value in given.items() if value is not None]
        if given:
            raise ValueError(
                f"Method {method!r} says itself when to prune, and how much: "
                f"set its own options instead. Received: {', '.join(given)}."
            )

    def _check_course(self):
        for name, default in _DEFAULTS.items():
            if self._timing[name] is None:
                self._timing[name] = default
        StepCounter(**self._timing)  # Raises if a duration cannot be read.
        grain = self.pruner.grain
        self._sparsity = scope.sparsity_of(grain, self._sparsity)
        initial = 0.0 if self._initial is None else self._initial
        if not 0 <= initial <= self._sparsity:
            raise ValueError(
                "Invalid value for argument `initial_sparsity`. Expected a "
                f"number from 0 to the sparsity {self._sparsity}. Received: "
                f"initial_sparsity={self._initial!r}"
            )
        self._schedule_from_initial()  # Raises if it cannot begin there.

    def _schedule_from_initial(self):
        options = {} if self._initial is None else {"initial": self._initial}
        return schedules.get(self.pruner.schedule, **options)

    def get_state(self):
        """Returns what a resumed run needs: how far it is."""
        return {**self.clock.state, "changed": self._changed}

    def set_state(self, state):
        """Goes on from what `get_state` returned."""
        self.clock.state = state
        self._changed = state["changed"]

    def on_train_begin(self, logs=None):
        grain = self.pruner.grain
        _check_masks(self.model)
        self._left_out = scope.left_out(self.model, grain, self._exclude)
        wrapping.set_notes(self.model, self._left_out)
        self.clock, self._final, self._schedule = self._course()
        self.clock.start(self.params, cut=True)
        self._changed = 0
        self._kept_before = None
        if self._keep_pruned_values:
            self._kept_before = _keeps_pruned_values(self.model)
            _set_keeping(self.model, True)

    def on_epoch_begin(self, epoch, logs=None):
        anew = self.clock.step is None
        due = self.clock.begin_epoch(epoch)
        if anew and self.clock.step >= self.clock.end:
            due = self.clock.end
        if due is not None:
            self._update(due)

    def on_train_batch_end(self, batch, logs=None):
        due = self.clock.advance(batch)
        if due is not None:
            self._update(due)

    def on_epoch_end(self, epoch, logs=None):
        masks = self._masks()
        total = sum(mask.size for mask in masks.values())
        kept = sum(int(np.count_nonzero(mask)) for mask in masks.values())
        if logs is not None:
            logs["sparsity"] = 1 - kept / total
            logs["kept"] = kept
            logs["mask_churn"] = self._changed / total
        self._changed = 0

    def on_train_end(self, logs=None):
        step, end = self.clock.step, self.clock.end
        if step is not None and step < end:
            user_warnings.warn(
                f"Training ended after {step} steps, before the {end} of "
                "`end`. The model was pruned to the final sparsity, and has "
                "not trained since."
            )
            self._update(end)
        if self._kept_before is False:
            _set_keeping(self.model, False)
            wrapping.set_masks(self.model, wrapping.get_masks(self.model))

    def _course(self):
        """Returns the clock, the final sparsity and the schedule."""
        if self._by_epoch is not None:
            return self._course_by_epoch()
        schedule = self._schedule_from_initial()
        return StepCounter(**self._timing), self._sparsity, schedule

    def _course_by_epoch(self):
        epochs = self.params["epochs"]
        sparsity = functools.partial(self._by_epoch.sparsity, epochs=epochs)
        last = self._by_epoch.last_epoch(epochs)
        if last > epochs:
            raise ValueError(
                f"The last epoch to prune after is {last}, of {epochs} epochs. "
                "Lower `last_prune_epoch` or train for longer."
            )
        final = sparsity(last)

        def schedule(progress, of):
            # For a weight with a sparsity of its own too: the same curve.
            share = sparsity(1 + progress * (last - 1)) / final if final else 0
            return share * of

        return StepCounter("1ep", f"{last}ep", "1ep"), final, schedule

    def _update(self, step):
        """Prunes as it is due after a step."""
        begin, end = self.clock.begin, self.clock.end
        progress = Fraction(1)
        if step < end:
            progress = Fraction(step - begin, end - begin)
        number = 1 + math.ceil((step - begin) / self.clock.every)
        objective = Objective(
            self.model,
            None if self._data is None else self._kept_batches(),
            self._loss,
            self._scoring_config,
            seed=self._seed,
            exclude=self._left_out,
        )
        before = objective.masks
        budget = Budget(
            self._final, self._schedule, progress, rule=self.pruner.count
        )
        after = self.pruner.step(objective, before, budget, number)
        distribution.check_agreement(
            objective.strategy,
            after,
            "The workers found different masks. Expected the same data and "
            "the same kind of devices on all.",
        )
        _warn_of_empty(before, after)
        self._changed += sum(
            int(np.count_nonzero(after[name] != before[name])) for name in after
        )
        wrapping.set_masks(self.model, after)

    def _kept_batches(self):
        """Yields the batches of the data, which are read once and kept."""
        if self._batches is None:
            self._batches = Batches(self._data, self._scoring_config.batch_size)
        place = 0
        while self._batches.count(place + 1) > place:
            yield self._batches.at(place)
            place += 1

    def _masks(self):
        """Returns the masks of the weights that are pruned."""
        found = weights.prunable(self.model)
        masks = wrapping.get_masks(self.model)
        return {n: masks[n] for n in found if n not in self._left_out}


def _with_axes(pruner, granularity, allocation, schedule):
    if schedule is None and pruner.schedule == "one_shot":
        schedule = "cubic"
    axes = {
        "granularity": granularity,
        "allocation": allocation,
        "schedule": schedule,
    }
    given = {axis: value for axis, value in axes.items() if value is not None}
    return pruner.with_axes(**given)


def _checked_keeping(keep_pruned_values, recover):
    if keep_pruned_values is not None and not recover:
        raise ValueError(
            "`keep_pruned_values` says how removed weights come back, and the "
            "method lets "
            "none come back. Expected a pruner with `recover=True`, such as "
            f'GradualPruning("gmp", ..., recover=True). Received: '
            f"keep_pruned_values={keep_pruned_values!r}"
        )
    return recover if keep_pruned_values is None else keep_pruned_values


def _merged_scoring(scoring, own):
    if scoring is not None and not isinstance(scoring, ScoringConfig):
        raise ValueError(
            "Invalid value for argument `probe`. Expected a "
            "kprune.ScoringConfig. "
            f"Received: scoring={scoring!r}"
        )
    return (scoring or ScoringConfig()).merge(own or ScoringConfig())


def _check_masks(model):
    wrapping.get_masks(model)  # Raises if there is none.
    bare = [n for n, w in weights.prunable(model).items() if w.mask is None]
    if bare:
        raise ValueError(
            f"Model {model.name!r} has weights that can be pruned and have no "
            f"mask: {', '.join(bare)}. They may have been frozen before. Wrap "
            "the model again: model = kprune.wrap(model)."
        )


def _keeps_pruned_values(model):
    return all(
        wrapper.keep_pruned_values for wrapper in wrapping.wrappers(model)
    )


def _set_keeping(model, keep):
    wrappers = wrapping.wrappers(model)
    if any(wrapper.keep_pruned_values != keep for wrapper in wrappers):
        dense = any(wrapper.dense_gradients for wrapper in wrappers)
        wrapping.set_pruned_behavior(model, keep, dense)


def _warn_of_empty(before, after):
    """Warns of weights that this update takes the last entries of."""
    names = [
        name
        for name, mask in after.items()
        if before[name].any() and not mask.any()
    ]
    if names:
        user_warnings.warn(
            "Gradual pruning has removed all entries of these weights, and "
            f"nothing can flow through them: {', '.join(names)}. Lower "
            '`sparsity`, or use allocation="erk", which keeps some of every '
            "layer."
        )
