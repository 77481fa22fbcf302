"""Gradual pruning: prunes on a schedule during training.

As in Zhu & Gupta, 2017 (https://arxiv.org/abs/1710.01878).
"""

import functools
import math
from fractions import Fraction

from kprune.callbacks.base import PruningCallback
from kprune.callbacks.pruned_behavior import PrunedBehavior
from kprune.callbacks.step_counter import StepCounter
from kprune.masking import wrapping
from kprune.masking.masks import Budget, hamming
from kprune.pruning import recipes, schedules, scope
from kprune.runtime import checks, user_warnings
from kprune.runtime.doors import checked
from kprune.runtime.renamed import renamed
from kprune.runtime.words import shown
from kprune.scoring import config
from kprune.scoring.batches import Batches

_DEFAULTS = {"begin": 0, "end": "75%", "every": "100it"}


class GradualPruning(PruningCallback):
    """Prunes a wrapped model step by step while it trains.

    At `begin`, then `every` so many steps, and at `end`, or where training
    ends if that is earlier, the pruner ranks the weights as they are by then
    and sets the masks to the sparsity that its schedule has reached. Weights
    that stay keep their values.

    What is removed stays away, unless the pruner says `recover=True`. Removed
    weights then keep their values under the mask, but for weight decay, to be
    ranked again and come back with them, as in the code of Zhu & Gupta. Only
    when training ends are they zeroed. (To train them as well, wrap the model
    with `dense_gradients=True`.) With `recover="zeros"` they are zeroed at
    once and come back as zeros.

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
        data, loss, scoring, seed: What the criterion looks at, as for
            `kprune.prune`. Magnitudes need no data. To resume to the bit, data
            must come in the same order in each process.
        **options: Axes that replace those of the method, as for
            `kprune.prune`: the schedule of one that prunes in one shot
            becomes `"cubic"`. The sparsity at `begin` is the schedule's:
            `schedule=kprune.schedules.get("cubic", initial=0.5)`. And options
            of the method, such as ASNI's `alpha`, `beta`, `gamma` and
            `last_prune_epoch`.

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
        method="gmp",
        sparsity=None,
        *,
        begin=None,
        end=None,
        every=None,
        data=None,
        loss=None,
        scoring=None,
        seed=0,
        **options,
    ):
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
            StepCounter(**self._timing)  # Raises if one cannot be read.
            self._sparsity = scope.sparsity_of(found.grain, sparsity)
            _check_start(found.schedule, self._sparsity)
        self._behavior = PrunedBehavior()
        self._batches = None

    def get_state(self):
        """Returns what a resumed run needs: how far it is."""
        return {**self.clock.state, "changed": self._changed}

    def set_state(self, state):
        """Goes on from what `get_state` returned."""
        self.clock.state = state
        self._changed = state["changed"]

    def on_train_begin(self, logs=None):
        self.find_masked()
        self.clock, self._final, self._schedule = self._course()
        self.clock.start(self.params, cut=True)
        self.note()
        self._changed = 0
        if self.pruner.recover and self.pruner.recover != "zeros":
            self._behavior.change(self.model, keep_pruned_values=True)

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
        total = self.log_masks(logs)
        if logs is not None:
            logs["mask_churn"] = self._changed / total
        self._changed = 0

    def on_train_end(self, logs=None):
        if self.ended_early(self.clock, "of `end`"):
            self._update(self.clock.end)
        self._behavior.restore(self.model)

    def data(self):
        """Returns the batches of the data, which are read once and kept."""
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
            # For a weight with a sparsity of its own too: the same curve.
            share = sparsity(1 + progress * (last - 1)) / final if final else 0
            return share * of

        return StepCounter("1ep", f"{last}ep", "1ep"), final, schedule

    def _update(self, step):
        """Prunes as it is due after a step."""
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
            f"`sparsity`, or use {user_warnings.AGAINST_COLLAPSE}"
        )
