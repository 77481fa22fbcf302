"""Growing regularization: penalizes weights, then removes them.

GReg-1 and GReg-2 of Wang et al., 2021 (https://arxiv.org/abs/2012.09243), and
dual lottery tickets of Bai et al., 2022 (https://arxiv.org/abs/2203.04248).
"""

from fractions import Fraction

import keras
import numpy as np

from kprune.callbacks.base import PruningCallback
from kprune.callbacks.regularization import GrowingPenalty, PenaltySchedule
from kprune.callbacks.regularization.added import attach, take_off
from kprune.callbacks.step_counter import StepCounter
from kprune.masking import weights, wrapping
from kprune.masking.masks import Budget
from kprune.pruning import schedules, scope
from kprune.pruning.granularity import Channel
from kprune.pruning.pruner import Pruner
from kprune.runtime import methods
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.runtime.words import shown
from kprune.training import durations


class GrowingRegularization(PruningCallback):
    """Drives weights to zero by a growing penalty, then removes them.

        gradient of w  +=  lambda w

    | method | picks | when |
    |---|---|---|
    | `"greg1"` | the smallest weights | at `begin`, of a trained network |
    | `"greg2"` | the smallest weights | once lambda of all has grown |
    | `"dlth"` | at random | at `begin`, of a network at initialization |

    Lambda of the picked weights grows by `increment` every `every` steps up
    to `ceiling` and stays for `stabilize` steps. Then they are removed, by
    masks, and training goes on sparse. Before `"greg2"` picks, lambda of all
    weights grows by `pick_increment` up to `pick_ceiling`, and that of those
    not picked is `on_others` from then on, below 0 to let them recover.

    As published, growth takes 10,000 updates and a learning rate of 1e-3, and
    what follows is a training of its own, from the rate it usually starts at:
    a schedule has to know `course.end`. Where the paper's code removes
    filters, it ends a layer's growth early once the picked ones are a
    thousandth of the others; here all layers grow to the end.

    The loss that `fit` shows is without the penalty. To Keras' `logs` it adds,
    after each epoch, `sparsity` and `kept`, of the weights that it prunes, and
    `penalty`, lambda of the picked ones. It can be resumed to the bit.

    Args:
        method: One of these names.
        sparsity: Share of the groups to remove in the end, in [0, 1).
        granularity: What is removed as one: `"weight"` (default),
            `"channel"`, by the sum of the scores of its entries, or a
            granularity.
        allocation: How many each weight tensor keeps, as for `kprune.prune`.
            Defaults to `"uniform"`. Each keeps one group at least.
        begin: Duration such as `"200it"`, `"8ep"` or `"75%"`. Defaults to 0.
        every: Duration from one growth of lambda to the next. Defaults to 5
            steps; GReg has 10 on CIFAR. With several steps per execution,
            lambda changes between executions only.
        increment, ceiling: Numbers > 0.
        stabilize: Duration. Defaults to 40,000 steps; GReg has 10,000 on
            CIFAR.
        cycles: Integer >= 1. Each cycle picks and removes more, an equal
            share of all groups. `"dlth"` has 5 in its iterative variant.
        pick_increment, pick_ceiling, on_others: Numbers, of `"greg2"` alone.
            Default to 1e-5, 1e-2 and -1e-4.
        exclude: Names of weights or layers, or regular expressions, to leave
            as they are and out of the count.
        seed: Integer >= 0, for ties and random picks.

    Attributes:
        course: The `kprune.callbacks.regularization.PenaltySchedule`, in steps,
            once training has begun.

    Raises:
        ValueError: If an argument does not fit, or, once training begins, the
            model has no masks (see `kprune.wrap`), or training is shorter
            than the course.

    Example:

    >>> model = kprune.wrap(model)
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile(keras.optimizers.SGD(0.1), loss)
    >>> growing = kprune.callbacks.GrowingRegularization(
    ...     "dlth", 0.9, increment=0.1, stabilize="10it")
    >>> history = model.fit(train, epochs=2, callbacks=[growing], verbose=0)
    >>> growing.course.end
    60
    >>> [round(sparsity, 3) for sparsity in history.history["sparsity"]]
    [0.0, 0.9]
    """

    @checked(method=None, sparsity=None)
    def __init__(
        self,
        method="greg1",
        sparsity=None,
        *,
        granularity="weight",
        allocation="uniform",
        begin=0,
        every=5,
        increment=1e-4,
        ceiling=1.0,
        stabilize=40_000,
        cycles=1,
        pick_increment=None,
        pick_ceiling=None,
        on_others=None,
        exclude=(),
        seed=0,
    ):
        found = methods.find(method, "GrowingRegularization")
        criterion, course = found.build
        if isinstance(granularity, str) and granularity == "channel":
            granularity = Channel(**found.channel)
        pruner = Pruner(criterion, granularity, allocation, exclude=exclude)
        super().__init__(pruner, seed=seed)
        self._sparsity = scope.sparsity_of(pruner.grain, sparsity)
        own = ("pick_increment", "pick_ceiling", "on_others")
        given = zip(own, (pick_increment, pick_ceiling, on_others), strict=True)
        given = {name: v for name, v in given if v is not None}
        if given and not course:
            raise ValueError(
                f"Only method 'greg2' has {', '.join(given)}. "
                f"Received: method={shown(method)}"
            )
        rising = {"increment": increment, "ceiling": ceiling, "cycles": cycles}
        self._course_options = {**rising, **course, **given}
        # Raises if one does not fit.
        PenaltySchedule(0, 1, 0, **self._course_options)
        self._timing = {"begin": begin, "every": every, "stabilize": stabilize}
        for duration in self._timing.values():
            durations.steps(duration, 1, 1)  # Raises if it cannot be read.
        self.course = None
        self._added = []

    def on_train_begin(self, logs=None):
        self.find_masked()
        self.course = self._course()
        self._clock = StepCounter(self.course.begin, self.course.end, 1)
        self._clock.start(self.params)
        self.note()
        self._happened = 0
        self._put_on()
        self._set = (0.0, 0.0)

    def on_epoch_begin(self, epoch, logs=None):
        self._clock.begin_epoch(epoch)
        self._follow()

    def on_train_batch_end(self, batch, logs=None):
        self._clock.advance(batch)
        self._follow()

    def on_epoch_end(self, epoch, logs=None):
        self.log_masks(logs)
        if logs is not None:
            logs["penalty"] = self.course.penalties(self._clock.step)[0]

    def on_train_end(self, logs=None):
        if self.ended_early(self._clock, "after which the penalty ends"):
            self._happen_until(self.course.end)
        take_off(self.model, self._added)
        self._added = []

    def get_state(self):
        """Returns what a resumed run needs: how far it is, and the picks."""
        numpy = keras.ops.convert_to_numpy
        picked = {name: numpy(v) for name, v in self._picked.items()}
        state = {"happened": self._happened, "picked": picked}
        return {**self._clock.state, **state}

    def set_state(self, state):
        """Goes on from what `get_state` returned, once training has begun."""
        self._clock.state = state
        self._happened = state["happened"]
        self._set_picked(state["picked"])
        if state["step"] is not None:  # Saved before the first epoch began.
            self._set_penalties(state["step"])

    def _course(self):
        per_epoch = self.params.get("steps")
        total = per_epoch * self.params["epochs"] if per_epoch else None
        steps = {
            name: durations.steps(duration, per_epoch, total)
            for name, duration in self._timing.items()
        }
        course = PenaltySchedule(**steps, **self._course_options)
        course.check_fits(total)
        return course

    def _put_on(self):
        masks, found = self.current_masks(), weights.prunable(self.model)
        with self.model.distribute_strategy.scope():
            self._penalties = [
                keras.Variable(0.0, trainable=False, name=name)
                for name in ("on_picked", "on_others")
            ]
            self._picked = {
                name: keras.Variable(
                    np.zeros_like(mask),
                    dtype="bool",
                    trainable=False,
                    name=f"{name.replace('/', '_')}_picked",
                )
                for name, mask in masks.items()
            }
        take_off(self.model, self._added)
        self._added = [
            (found[name].variable, GrowingPenalty(picked, *self._penalties))
            for name, picked in self._picked.items()
        ]
        attach(self.model, self._added)

    def _follow(self):
        """Does what is due by now."""
        self._happen_until(self._clock.step)
        self._set_penalties(self._clock.step)

    def _happen_until(self, step):
        events = self.course.events()
        while self._happened < len(events):
            due, what = events[self._happened]
            if due > step:
                return
            if what == "pick":
                self._pick(self._happened // 2 + 1)
            else:
                self._remove()
            self._happened += 1

    def _pick(self, cycle):
        share = Fraction(cycle, self.course.cycles)
        budget = Budget(self._sparsity, schedules.linear, share, minimum=1)
        before, after = self.draw(budget, cycle)
        self._set_picked({n: before[n] & ~after[n] for n in after})

    def _remove(self):
        masks = self.current_masks()
        for name, picked in self._picked.items():
            masks[name] = masks[name] & ~keras.ops.convert_to_numpy(picked)
        wrapping.set_masks(self.model, masks)
        self._set_picked({n: np.zeros_like(m) for n, m in masks.items()})

    def _set_picked(self, picked):
        for name, variable in self._picked.items():
            variable.assign(picked[name])

    def _set_penalties(self, step):
        values = self.course.penalties(step)
        if values != self._set:  # Assigning takes its time in each step.
            for variable, value in zip(self._penalties, values, strict=True):
                variable.assign(value)
            self._set = values


_GREG = {
    "paper": "Wang et al., 2021",
    "link": "https://arxiv.org/abs/2012.09243",
    "deviation": "all layers grow to the end; the released code ends a "
    "layer's growth early where filters go",
    "channel": {"reduce": "sum"},
}
_TESTS = "tests/callbacks/test_growing.py"
METHODS = (
    Method(
        "greg1",
        title="GReg-1",
        call='kprune.callbacks.GrowingRegularization("greg1", 0.9)',
        test=f"{_TESTS}::test_greg_1_against_steps_by_hand",
        build=("magnitude", {}),
        **_GREG,
    ),
    Method(
        "greg2",
        title="GReg-2",
        call='kprune.callbacks.GrowingRegularization("greg2", 0.9)',
        test=f"{_TESTS}::test_greg_2_picks_late_and_lets_the_others_recover",
        build=(
            "magnitude",
            {"pick_increment": 1e-5, "pick_ceiling": 1e-2, "on_others": -1e-4},
        ),
        **_GREG,
    ),
    Method(
        "dlth",
        title="dual lottery tickets (DLTH)",
        call='kprune.callbacks.GrowingRegularization("dlth", 0.9)',
        paper="Bai et al., 2022",
        link="https://arxiv.org/abs/2203.04248",
        test=f"{_TESTS}::test_dlth_picks_at_random_in_cycles",
        build=("random", {}),
        channel={"reduce": "first"},
    ),
)
