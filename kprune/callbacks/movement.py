"""Movement pruning: removes weights that fine-tuning shrinks.

Sanh et al., 2020, https://arxiv.org/abs/2005.07683, of weights; Lagunas et
al., 2021, https://arxiv.org/abs/2109.04838, of blocks and heads.
"""

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

    at each step until `end`, with the gradient of the compiled loss at the
    masked weights, on the batch of the step, for pruned weights as well. Those
    keep their values under the mask and do not train meanwhile; their scores
    go on, and with them they come back. Hard movement pruning (`sparsity=`)
    keeps the weights of the highest scores, as many as the schedule says. Soft
    movement pruning (`threshold=`) keeps those with

        sigmoid(S) > t,  S <- S - w dL/dw - penalty sigmoid'(S)

    with a threshold t that the schedule takes from 0 to `threshold`; sparsity
    is what comes of it. A group of weights, such as a block or a head of
    attention, has the sum of their scores.

    Pruning is timed and logged as by `kprune.callbacks.GradualPruning`. Each
    step until `end` computes a gradient more than without.

    Args:
        sparsity: Share of the groups to remove in the end, in [0, 1); or
        threshold: number in (0, 0.5), to which the sigmoid of the scores, 0.5
            to begin with, is compared in the end.
        penalty: Number >= 0, the strength of the penalty on the sum of
            sigmoid(S), for soft pruning.
        learning_rate: Number > 0, which the change of the scores is
            multiplied by. Of hard pruning the masks do not depend on it.
        begin, end, every: As of `kprune.callbacks.GradualPruning`. Scores
            are summed up from the first step on.
        granularity: `"weight"`, `"channel"`, which makes heads of attention
            one group, N:M, or an object such as `kprune.Block((32, 32))`.
        allocation: As of a `kprune.Pruner`, for hard pruning. Defaults to
            `"uniform"`, as in the released code; `"global"` ranks all scores.
        schedule: As of a `kprune.Pruner`. Defaults to `"cubic"`.
        exclude: As of a `kprune.Pruner`. The paper leaves embeddings dense.
        seed: Integer >= 0, for ties.

    Attributes:
        scores: Dict from weight name to the array of S, once training began.

    Raises:
        ValueError: If an argument does not fit, or, once training begins, the
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
        sparsity=None,
        *,
        threshold=None,
        penalty=0.0,
        learning_rate=1.0,
        begin=None,
        end=None,
        every=None,
        granularity="weight",
        allocation=None,
        schedule="cubic",
        exclude=(),
        seed=0,
    ):
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
            exclude=exclude,
        )
        timing = {"begin": begin, "end": end, "every": every}
        final = threshold if soft else sparsity
        super().__init__(pruner, final, **timing, seed=seed)
        self.scores = None
        self._penalty, self._rate = penalty, learning_rate
        self._gradients = self._function = self._batch = None

    def get_state(self):
        """Returns what a resumed run needs: how far it is, and the scores."""
        return {**super().get_state(), "scores": self.scores}

    def set_state(self, state):
        """Goes on from what `get_state` returned."""
        super().set_state(state)
        self.scores = state["scores"]

    def on_train_begin(self, logs=None):
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

    def on_train_batch_begin(self, batch, logs=None):
        self._batch = batch

    def on_train_end(self, logs=None):
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
        if batch is None:  # It was not `fit` that called.
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
        """The criterion: what the scores are by now."""
        del objective, masks
        return {name: self.scores[name] for name in weights}


def _summed(granularity):
    """Returns a granularity, which sums up scores if only its name is said."""
    if isinstance(granularity, str) and granularity == "channel":
        return granularities.Channel(reduce="sum")
    return granularities.get(granularity)


def _above(groups, sizes, shapes, budget, rng):
    """Keeps the groups whose sigmoid passes the threshold of now."""
    del sizes, shapes, rng
    least = budget.now(budget.sparsity)
    return {
        name: int(np.count_nonzero(_sigmoid(scores) > least))
        for name, scores in groups.items()
    }


def _sigmoid(scores):
    # Without the overflow of exp(-S).
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
