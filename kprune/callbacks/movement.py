"""Movement pruning: removes weights that fine-tuning shrinks.

Sanh et al., 2020, https://arxiv.org/abs/2005.07683, of weights; Lagunas et
al., 2021, https://arxiv.org/abs/2109.04838, of blocks and heads.
"""

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from kprune.callbacks.dynamic.gradients import DenseGradients
from kprune.callbacks.dynamic.read_model import array
from kprune.callbacks.dynamic.train_function import TrainFunction
from kprune.callbacks.gradual import GradualPruning
from kprune.masking import weights, wrapping
from kprune.pruning import granularity as granularities
from kprune.pruning.pruner import Pruner
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


class MovementPruning(GradualPruning):
    """Prunes a wrapped model by the way its weights move while it trains.

        S <- S - w dL/dw

    at each step until `end`. The gradient is that of the compiled loss at the
    masked weights, on the batch of the step, and includes pruned weights.
    Pruned weights keep their values under the mask and do not train; their
    scores are still updated, and they may return. Hard movement pruning
    (`sparsity=`) keeps the weights of the highest scores, as many as the
    schedule says. Soft movement pruning (`threshold=`) keeps those with

        sigmoid(S) > t,  S <- S - w dL/dw - penalty sigmoid'(S)

    where the schedule raises the threshold t from 0 to `threshold`; the
    sparsity follows from it. The score of a group of weights, such as a block
    or an attention head, is the sum of its scores.

    Pruning is timed and logged as by `kprune.callbacks.GradualPruning`. Each
    step until `end` computes one more gradient.

    Args:
        sparsity: Final share of the groups to remove, in [0, 1), for hard
            pruning. Exactly one of `sparsity` and `threshold` is given, and
            for N:M neither.
        threshold: Number in (0, 0.5), the final threshold on the sigmoid of
            the scores (which starts at 0.5), for soft pruning.
        penalty: Number >= 0, the strength of the penalty on the sum of
            sigmoid(S), for soft pruning. Defaults to 0.
        learning_rate: Number > 0, the factor of each change of the scores.
            Defaults to 1. Hard pruning's masks do not depend on it.
        begin, end, every: As for `kprune.callbacks.GradualPruning`. Scores
            accumulate from the first step on.
        granularity: `"weight"` (default), `"channel"`, which makes each
            attention head one group, N:M, or an object such as
            `kprune.Block((32, 32))`.
        allocation: As for `kprune.Pruner`, for hard pruning. Defaults to
            `"uniform"`, as in the released code; `"global"` ranks all scores.
        schedule: As for `kprune.Pruner`. Defaults to `"cubic"`.
        exclude: As for `kprune.Pruner`. The paper leaves embeddings dense.
        seed: Integer >= 0, for ties. Defaults to 0.

    Attributes:
        scores: Dict of arrays S by weight name; `None` before training.

    Raises:
        ValueError: If an argument is invalid; when training begins, if the
            model has no masks or no compiled loss.

    Example:

    >>> model = kprune.wrap(model)
    >>> model.compile("adam", "sparse_categorical_crossentropy")
    >>> movement = kprune.callbacks.MovementPruning(0.5, every=2)
    >>> history = model.fit(train, epochs=2, callbacks=[movement], verbose=0)
    >>> round(history.history["sparsity"][-1], 2)
    0.5
    """

    @checked(
        threshold=checks.optional(checks.within("(0, 0.5)")),
        penalty=checks.within("[0, inf)"),
        learning_rate=checks.within("(0, inf)"),
    )
    def __init__(
        self,
        sparsity: float | None = None,
        *,
        threshold: float | None = None,
        penalty: float = 0.0,
        learning_rate: float = 1.0,
        begin: int | str | None = None,
        end: int | str | None = None,
        every: int | str | None = None,
        granularity: str | object = "weight",
        allocation: str | dict[str, float] | Callable[..., Any] | None = None,
        schedule: str | Callable[..., float] = "cubic",
        exclude: str | Collection[str] = (),
        seed: int = 0,
    ) -> None:
        grain = _summed(granularity)
        soft = threshold is not None
        if soft == (sparsity is not None or grain.sparsity is not None):
            raise ValueError(
                "Movement pruning is hard, to a sparsity, or soft, by a "
                "threshold. Expected one of `sparsity` and `threshold`, and "
                "for N:M neither. Received: "
                f"sparsity={sparsity!r}, threshold={threshold!r}"
            )
        hard = "None with a threshold, which says what each weight keeps"
        checks.require(
            not soft or allocation is None, "allocation", allocation, hard
        )
        checks.require(soft or not penalty, "penalty", penalty, "0.0 if hard")
        shared = "uniform" if allocation is None else allocation
        pruner = Pruner(
            self._scored,
            grain,
            _above if soft else shared,
            schedule,
            recover=True,
            exclude=exclude,  # type: ignore[arg-type]
        )
        timing: dict[str, Any] = {"begin": begin, "end": end, "every": every}
        final = threshold if soft else sparsity
        super().__init__(pruner, final, **timing, seed=seed)
        self.scores: dict[str, np.ndarray] | None = None
        self._penalty, self._rate = penalty, learning_rate
        self._gradients = self._function = self._batch = None  # type: Any

    def get_state(self) -> dict[str, Any]:
        """Returns the state to resume from: the base's, and the scores."""
        return {**super().get_state(), "scores": self.scores}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores the state that `get_state` returned."""
        super().set_state(state)
        self.scores = state["scores"]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        names = list(self.current_masks())
        self._gradients = DenseGradients(self.model, names)
        found = weights.prunable(self.model)
        self._weights = {name: found[name] for name in names}
        self.scores = {
            name: np.zeros(weight.layout.shape, np.float32)
            for name, weight in self._weights.items()
        }
        self._batch = None
        self._install()

    def on_train_batch_begin(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        self._batch = batch

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._function.remove(self.model)
        self._gradients.hand_on()
        super().on_train_end(logs)

    def _install(self):
        self._function = TrainFunction.install(
            self.model,
            steps=self._coming_steps,
            due=lambda step: step < self.clock.end,
            before=self._before_step,
            after=lambda step: None,
            done=lambda: None,
        )

    def _coming_steps(self):
        batch, self._batch = self._batch, None
        if batch is None:  # The caller is not `fit`.
            return None
        step = self.clock.step
        return range(step, step + self.model.steps_per_execution)

    def _before_step(self, step, batch):
        del step
        values = {n: array(w.variable) for n, w in self._weights.items()}
        masks = wrapping.get_masks(self.model)
        active = {n: np.where(masks[n], w, 0) for n, w in values.items()}
        gradients = self._gradients(active, batch)
        for name, w in values.items():
            score = self.scores[name]
            change = w * gradients[name] + self._penalty * _slope(score)
            self.scores[name] = score - self._rate * change

    def _scored(self, objective, weights, masks):
        """Returns the current scores; the pruner's criterion."""
        del objective, masks
        return {name: self.scores[name] for name in weights}


def _summed(granularity):
    """Returns a granularity; `"channel"` by name sums up scores."""
    if isinstance(granularity, str) and granularity == "channel":
        return granularities.Channel(reduce="sum")
    return granularities.get(granularity)


def _above(groups, sizes, shapes, budget, rng):
    """Counts the groups whose sigmoid exceeds the current threshold."""
    del sizes, shapes, rng
    least = budget.now(budget.sparsity)
    return {
        name: int(np.count_nonzero(_sigmoid(scores) > least))
        for name, scores in groups.items()
    }


def _sigmoid(scores):
    # Through tanh, as exp(-S) overflows for large negative scores.
    return 0.5 + 0.5 * np.tanh(0.5 * np.asarray(scores, np.float64))


def _slope(scores):
    sigmoid = _sigmoid(scores)
    return (sigmoid * (1 - sigmoid)).astype(np.float32)


METHOD = Method(
    "MovementPruning",
    title="movement pruning",
    formula=r"S \leftarrow S - w \odot \frac{\partial L}{\partial w}",
    call="kprune.callbacks.MovementPruning(0.9)",
    paper="Sanh et al., 2020; Lagunas et al., 2021",
    link="https://arxiv.org/abs/2005.07683",
    test="tests/callbacks/test_movement.py::"
    "test_scores_are_the_sum_over_the_steps",
    deviation="scores are summed up beside the optimizer, by the plain rule "
    "of the paper, where the released code trains them by Adam; masks change "
    "every so many steps, not at each; none is distilled",
    build=MovementPruning,
)
