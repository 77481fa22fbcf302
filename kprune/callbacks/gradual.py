"""Gradual pruning: prunes on a schedule during training.

As in Zhu & Gupta, 2017 (https://arxiv.org/abs/1710.01878).
"""

import functools
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from kprune.callbacks.base import PruningCallback
from kprune.callbacks.pruned_behavior import PrunedBehavior
from kprune.callbacks.step_counter import StepCounter
from kprune.masking import wrapping
from kprune.masking.masks import Budget, hamming
from kprune.pruning import recipes, schedules, scope
from kprune.pruning.pruner import Pruner
from kprune.runtime import checks, types, user_warnings
from kprune.runtime.doors import checked
from kprune.runtime.renamed import renamed
from kprune.runtime.words import shown
from kprune.scoring import config
from kprune.scoring.batches import Batches

_DEFAULTS = {"begin": 0, "end": "75%", "every": "100it"}


class GradualPruning(PruningCallback):
    """Prunes a wrapped model on a schedule while it trains.

    At `begin`, every `every` steps after it, and at `end` or the end of
    training, whichever is earlier, the pruner ranks the current weights and
    sets masks of the sparsity that its schedule has reached. Kept weights are
    unchanged.

    Removed weights do not return unless the pruner has `recover=True`. They
    then keep their values under the mask, except for weight decay, are ranked
    again and may return with these values, as in the code of Zhu & Gupta; they
    are zeroed when training ends. (To train them as well, wrap the model with
    `dense_gradients=True`.) With `recover="zeros"` they are zeroed at once and
    return as zeros.

    After each epoch it adds to Keras' `logs`, over the weights that it prunes:
    `sparsity`, `kept` (the number of kept entries) and `mask_churn` (the share
    of mask entries that the updates of the epoch changed). List callbacks that
    read these logs after this one.

    Args:
        method: `"gmp"` (default), `"asni"`, a name that `kprune.prune` takes,
            a `kprune.Pruner` or a criterion. Each update is one round of the
            pruner, whatever its `rounds`.
        sparsity: Final share of the groups to remove, in [0, 1). ASNI defines
            its own.
        begin, end, every: Durations: `"200it"` or 200 (steps), `"8ep"`
            (epochs) or `"75%"` (of the whole training). Default to 0, `"75%"`
            and `"100it"`; ASNI prunes after each epoch. With several steps per
            execution, an update follows the execution in which it falls due.
        data, loss, scoring, seed: Inputs of the criterion, as for
            `kprune.prune`. Magnitudes need no data. To resume bit for bit,
            data must come in the same order in each process.
        **options: Axes that replace the method's, as for `kprune.prune`; a
            one-shot schedule becomes `"cubic"`. The schedule sets the sparsity
            at `begin`: `schedule=kprune.schedules.get("cubic", initial=0.5)`.
            Also the method's own options, such as ASNI's `alpha`, `beta`,
            `gamma` and `last_prune_epoch`.

    Raises:
        ValueError: If an argument is invalid; when training begins, if the
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

    @renamed(
        **config.WAYS,
        initial_sparsity='`schedule=kprune.schedules.get("cubic", '
        "initial=...)`",
        live="`recover=True`, or `recover='zeros'` for False",
        keep_pruned_values="`recover=True`, or `recover='zeros'` for False",
    )
    @checked(method=None)
    def __init__(
        self,
        method: types.Criterion | Pruner = "gmp",
        sparsity: float | None = None,
        *,
        begin: int | str | None = None,
        end: int | str | None = None,
        every: int | str | None = None,
        data: types.Data | None = None,
        loss: types.Loss | None = None,
        scoring: config.ScoringConfig | dict[str, Any] | None = None,
        seed: int = 0,
        **options: Any,
    ) -> None:
        timing = {"begin": begin, "end": end, "every": every}
        found = recipes.gradual(method, **options)
        scope.refuse_axes(options, ("rounds",), "Each update is one round.")
        by_epoch = isinstance(found, recipes.EpochSchedule)
        self._by_epoch = found if by_epoch else None
        if by_epoch:
            given = {**options, **timing, "sparsity": sparsity}
            own = (*timing, "sparsity", "schedule")
            why = f"Method {shown(method)} says when to prune, and how much: "
            scope.refuse_axes(given, own, f"{why}set its own options instead.")
            found = found.pruner
        elif found.schedule == "one_shot" and not options.get("schedule"):
            found = found.with_axes(schedule="cubic")
        expected = "one that leaves kept weights as they are trained"
        checks.require(found.after_pruning is None, "method", method, expected)
        super().__init__(found, data, loss, scoring, seed)
        timing = {name: t for name, t in timing.items() if t is not None}
        self._timing = {**_DEFAULTS, **timing}
        if not by_epoch:
            StepCounter(**self._timing)  # Raises if a duration is invalid.
            self._sparsity = scope.sparsity_of(found.grain, sparsity)
            _check_start(found.schedule, self._sparsity)
        self._behavior = PrunedBehavior()
        self._batches = None

    def get_state(self) -> dict[str, Any]:
        """Returns the state to resume from: the step and the mask churn."""
        return {**self.clock.state, "changed": self._changed}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the state that `get_state` returned."""
        self.clock.state = state
        self._changed = state["changed"]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.find_masked()
        self.clock, self._final, self._schedule = self._course()
        self.clock.start(self.params, cut=True)
        self.note()
        self._changed = 0
        if self.pruner.recover and self.pruner.recover != "zeros":
            self._behavior.change(self.model, keep_pruned_values=True)

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        anew = self.clock.step is None
        due = self.clock.begin_epoch(epoch)
        # With an `initial_epoch` past the last update, prune to the end now.
        if anew and self.clock.step >= self.clock.end:
            due = self.clock.end
        if due is not None:
            self._update(due)

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        due = self.clock.advance(batch)
        if due is not None:
            self._update(due)

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        total = self.log_masks(logs)
        if logs is not None:
            logs["mask_churn"] = self._changed / total
        self._changed = 0

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.ended_early(self.clock, "of `end`"):
            self._update(self.clock.end)
        self._behavior.restore(self.model)

    def data(self) -> Iterator[Any] | None:
        """Yields the batches of the data; caches them at the first read."""
        return None if self._data is None else self._kept_batches()

    def _kept_batches(self):
        if self._batches is None:
            self._batches = Batches(self._data, self._scoring.batch_size)
        place = 0
        while self._batches.count(place + 1) > place:
            yield self._batches.at(place)
            place += 1

    def _course(self):
        """Returns the clock, the final sparsity and the schedule."""
        if self._by_epoch is None:
            schedule = schedules.get(self.pruner.schedule)
            return StepCounter(**self._timing), self._sparsity, schedule
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
            # Scaled, so that weights with their own sparsity follow the curve.
            share = sparsity(1 + progress * (last - 1)) / final if final else 0
            return share * of

        return StepCounter("1ep", f"{last}ep", "1ep"), final, schedule

    def _update(self, step):
        """Prunes to the sparsity that is due after `step` steps."""
        begin, end = self.clock.begin, self.clock.end
        progress = Fraction(step - begin, end - begin) if step < end else 1
        number = 1 + math.ceil((step - begin) / self.clock.every)
        rule = self.pruner.count
        budget = Budget(self._final, self._schedule, progress, rule=rule)
        before, after = self.draw(budget, number)
        _warn_of_empty(before, after)
        self._changed += hamming(after, before)
        wrapping.set_masks(self.model, after)


def _check_start(schedule, sparsity):
    initial = schedules.get(schedule)(0.0, sparsity)
    if not checks.is_number(initial) or not 0 <= initial <= sparsity + 1e-9:
        raise ValueError(
            "Expected a schedule that begins between 0 and the sparsity "
            f"{sparsity}. Received: schedule={shown(schedule)}, which begins "
            f"at {shown(initial)}"
        )


def _warn_of_empty(before, after):
    """Warns of weights that lose their last entries in this update."""
    names = [
        name
        for name, mask in after.items()
        if before[name].any() and not mask.any()
    ]
    if names:
        user_warnings.warn(
            "Gradual pruning has removed all entries of these weights, and "
            f"nothing can flow through them: {', '.join(names)}. Lower "
            f"`sparsity`, or use {user_warnings.AGAINST_COLLAPSE}"
        )
