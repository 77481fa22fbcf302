"""Growing regularization: penalizes weights, then removes them.

GReg-1 and GReg-2 of Wang et al., 2021 (https://arxiv.org/abs/2012.09243), and
dual lottery tickets of Bai et al., 2022 (https://arxiv.org/abs/2203.04248).
"""

import dataclasses
from collections.abc import Callable, Collection
from fractions import Fraction
from typing import Any

import numpy as np

from kprune.callbacks.base import PruningCallback
from kprune.callbacks.regularization import PenaltySchedule
from kprune.callbacks.regularization.early_end import EarlyEnd
from kprune.callbacks.regularization.growing_penalty import Penalties
from kprune.callbacks.step_counter import StepCounter
from kprune.masking import weights, wrapping
from kprune.masking.masks import Budget
from kprune.pruning import schedules, scope
from kprune.pruning.granularity import Channel
from kprune.pruning.granularity.base import Granularity
from kprune.pruning.pruner import Pruner
from kprune.runtime import methods
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.runtime.words import shown
from kprune.training import durations


class GrowingRegularization(PruningCallback):
    """Drives weights to zero with a growing penalty, then removes them.

        gradient of w  +=  lambda w

    | method | picks | when |
    |---|---|---|
    | `"greg1"` | the smallest weights | at `begin`, of a trained network |
    | `"greg2"` | the smallest weights | once lambda of all has grown |
    | `"dlth"` | at random | at `begin`, of a network at initialization |

    Lambda of the picked weights grows by `increment` every `every` steps up
    to `ceiling` and stays for `stabilize` steps. Then masks remove them, and
    sparse training continues. `"greg2"` first grows lambda of all weights by
    `pick_increment` up to `pick_ceiling`, then picks; lambda of the others is
    `on_others` from then on, below 0 so that they recover.

    As published, growth takes 10,000 updates at a learning rate of 1e-3, and
    a full training from its usual initial rate follows; a learning rate
    schedule needs `course.end` for this. When removing filters, the authors'
    code ends growth early, which is `end_ratio=1000`.

    The loss that `fit` shows excludes the penalty. After each epoch it adds to
    Keras' `logs`: `sparsity` and `kept`, over the weights that it prunes, and
    `penalty`, lambda of the picked ones. Resumes bit for bit.

    Args:
        method: One of the names above. Defaults to `"greg1"`.
        sparsity: Final share of the groups to remove, in [0, 1).
        granularity: What is removed as one: `"weight"` (default), `"channel"`,
            or a granularity object. For `"channel"`, `"greg1"` and `"greg2"`
            sum up the scores of the entries.
        allocation: How many each weight tensor keeps, as for `kprune.prune`.
            Defaults to `"uniform"`. Each keeps at least one group.
        begin: Duration such as `"200it"`, `"8ep"` or `"75%"`. Defaults to 0.
        every: Duration from one growth of lambda to the next. Defaults to 5
            steps; GReg has 10 on CIFAR. With several steps per execution,
            lambda changes between executions only.
        increment, ceiling: Numbers > 0. Default to 1e-4 and 1.
        stabilize: Duration. Defaults to 40,000 steps; GReg has 10,000 on
            CIFAR.
        cycles: Integer >= 1. Defaults to 1. Each cycle picks and removes an
            equal share of all groups. The iterative variant of `"dlth"` has 5.
        pick_increment, pick_ceiling, on_others: Numbers, of `"greg2"` alone.
            Default to 1e-5, 1e-2 and -1e-4.
        end_ratio: Number > 1, of `"greg1"` and `"greg2"` in one cycle. Growth
            ends once the mean magnitude of the other weights is this many
            times that of the picked ones, and `stabilize` follows: `"greg2"`
            ends that of each weight tensor, `"greg1"` that of all together.
            Defaults to `None`: lambda grows to `ceiling`.
        exclude: Names of weights or layers, or regular expressions, to leave
            dense and out of the count.
        seed: Integer >= 0, for ties and random picks. Defaults to 0.

    Attributes:
        course: The `kprune.callbacks.regularization.PenaltySchedule`, in
            steps; `None` before training. An early end shortens it.

    Raises:
        ValueError: If an argument is invalid; when training begins, if the
            model has no masks (see `kprune.wrap`) or training is shorter than
            the course.

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
        method: str = "greg1",
        sparsity: float | None = None,
        *,
        granularity: str | Granularity = "weight",
        allocation: str | dict[str, float] | Callable[..., Any] = "uniform",
        begin: int | str = 0,
        every: int | str = 5,
        increment: float = 1e-4,
        ceiling: float = 1.0,
        stabilize: int | str = 40_000,
        cycles: int = 1,
        pick_increment: float | None = None,
        pick_ceiling: float | None = None,
        on_others: float | None = None,
        end_ratio: float | None = None,
        exclude: str | Collection[str] = (),
        seed: int = 0,
    ) -> None:
        found = methods.find(method, "GrowingRegularization")
        criterion: Any
        criterion, course = found.build
        if isinstance(granularity, str) and granularity == "channel":
            granularity = Channel(**found.channel)
        left: Any = exclude
        pruner = Pruner(criterion, granularity, allocation, exclude=left)
        super().__init__(pruner, seed=seed)
        self._sparsity = scope.sparsity_of(pruner.grain, sparsity)
        given: Any = {
            "pick_increment": pick_increment,
            "pick_ceiling": pick_ceiling,
            "on_others": on_others,
        }
        given = {name: v for name, v in given.items() if v is not None}
        if given and not course:
            only = f"Only method 'greg2' has {', '.join(given)}. "
            raise ValueError(f"{only}Received: method={shown(method)}")
        rising = {"increment": increment, "ceiling": ceiling, "cycles": cycles}
        self._course_options = {**rising, **course, **given}
        # Raises if an option is invalid.
        PenaltySchedule(0, 1, 0, **self._course_options)
        self._timing = {"begin": begin, "every": every, "stabilize": stabilize}
        for duration in self._timing.values():
            durations.steps(duration, 1, 1)  # Raises if it is invalid.
        self.course: PenaltySchedule | Any = None
        self._early = EarlyEnd.of(method, end_ratio, cycles)
        self._penalties: Penalties | Any = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.find_masked()
        self.course = self._course()
        self._clock = StepCounter(self.course.begin, self.course.end, 1)
        self._clock.start(self.params)
        self.note()
        self._happened = 0
        self._put_on()

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self._clock.begin_epoch(epoch)
        self._follow()

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self._clock.advance(batch)
        self._follow()

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self.log_masks(logs)
        if logs is not None:
            logs["penalty"] = self.course.penalties(self._clock.step)[0]

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.ended_early(self._clock, "after which the penalty ends"):
            self._happen_until(self.course.end)
        self._penalties.take_off(self.model)

    def get_state(self) -> dict[str, Any]:
        """Returns the state to resume from: the progress and the picks."""
        picked = self._penalties.picked()
        state = {"happened": self._happened, "picked": picked}
        if self._early:
            state["early"] = {**self._early.state, "ended": self.course.ended}
        return {**self._clock.state, **state}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the state that `get_state` returned; call it after
        `on_train_begin`."""
        self._clock.state = state
        self._happened = state["happened"]
        self._penalties.pick(state["picked"])
        if self._early:
            self._early.state = state["early"]
            self._shorten(state["early"]["ended"])
        if state["step"] is not None:  # `None` before the first epoch.
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
        found = weights.prunable(self.model)
        variables = {n: found[n].variable for n in self.current_masks()}
        if self._penalties:  # An interrupted training left them.
            self._penalties.take_off(self.model)
        self._penalties = Penalties(self.model, variables, bool(self._early))
        self._penalties.attach(self.model)
        if self._early:
            self._early.begin(variables)

    def _follow(self):
        """Runs due events and sets the penalties of the current step."""
        step = self._clock.step
        self._happen_until(step)
        if self._early and self.course.ended is None:
            look = self._penalties.picked, self.current_masks
            ended = self._early.follow(self.course, step, *look)
            if ended is not None:
                self._shorten(ended)
        self._set_penalties(step)

    def _shorten(self, ended):
        self.course = dataclasses.replace(self.course, ended=ended)
        self._clock.end = self.course.end

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
        self._penalties.pick({n: before[n] & ~after[n] for n in after})

    def _remove(self):
        masks = self.current_masks()
        for name, picked in self._penalties.picked().items():
            masks[name] = masks[name] & ~picked
        wrapping.set_masks(self.model, masks)
        self._penalties.pick({n: np.zeros_like(m) for n, m in masks.items()})

    def _set_penalties(self, step):
        picked, others = self.course.penalties(step)
        held = self._early.held(self.course, step) if self._early else {}
        names = self._penalties.names
        self._penalties.set({n: held.get(n, picked) for n in names}, others)


_GREG: dict[str, Any] = {
    "paper": "Wang et al., 2021",
    "link": "https://arxiv.org/abs/2012.09243",
    "deviation": "growth ends early with `end_ratio=1000` only, which the "
    "authors' code has for filters",
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
