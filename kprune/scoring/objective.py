"""The training loss as a pure function of the prunable weights.

Every criterion that looks at data is a few lines over the methods of
`Objective`: `gradient` and `hvp`, averaged over the scoring batches, and
`inputs`, summed over them.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kprune.masking import weights
from kprune.runtime import checks, seeds, types
from kprune.runtime.doors import checked
from kprune.runtime.progress import Progress
from kprune.runtime.renamed import renamed
from kprune.scoring import config, points
from kprune.scoring.evaluated import Evaluated
from kprune.scoring.network import Network, excluded
from kprune.scoring.shared import Shared
from kprune.scoring.walk import Walk


@renamed(probe=config.WAYS["probe"])
@checked(scoring=None)
class Objective(Evaluated):
    """The loss of a model on the scoring batches, as a function of weights.

    Does not modify the model: no variable, statistic, optimizer slot or random
    state changes. Regularization losses are not part of the loss. A model
    created in the scope of a `tf.distribute` strategy is scored on all
    replicas, each with its share of every batch; all workers must be given
    the same data.

    Args:
        model: A built Keras model, wrapped or not, or a `weights.View` of it.
            Its masks are reported in `masks` but not applied: the methods
            compute with the weights they are given.
        data: What `fit` takes: a `tf.data.Dataset`, arrays `(x, y)` or
            `(x, y, sample_weight)`, a `keras.utils.PyDataset` or a generator
            of batches. `None` makes a synthetic batch, with a warning.
        loss: As `compile` takes it. Defaults to the compiled loss, else to
            the cross-entropy that fits the outputs, with a warning.
        scoring: A `kprune.ScoringConfig`, or a dict of its fields.
        seed: Integer >= 0, for synthetic data and random scores.
        exclude: A name of a weight or layer or a regular expression, or a
            list of them, of weights to leave out.

    Attributes:
        weights: Dict from name to the values of each prunable weight, float32
            or wider.
        others: Dict from path to the values of all other trainable variables:
            biases, batch normalization's gamma and beta, excluded weights.
        masks: Dict from name to the current mask, boolean.
        layouts: Dict from name to `kprune.masking.layouts.Layout`.
        scoring: The scoring config.
        shared: The `shared.Shared` of all views of the objective.
    """

    def __init__(
        self,
        model: types.Model | weights.View,
        data: types.Data | None = None,
        loss: types.Loss | None = None,
        scoring: config.ScoringConfig | dict[str, Any] | None = None,
        *,
        seed: int = 0,
        exclude: str | Sequence[str] = (),
    ):
        seeds.check(seed)
        view = weights.find(model)
        self.model = view.model
        self.seed = seed
        self.scoring = config.get(scoring)
        self.progress = Progress()
        # How many evaluations of a kind are expected; `None` if unknown.
        self._evaluations: Callable[[str], int | None] = lambda kind: None
        self._places: tuple[int, ...] | None = None
        names = excluded(view, exclude)
        self._network = Network(view, names, self.scoring.precision)
        self.layouts = self._network.layouts
        self.weights = self._network.weights
        self.others = self._network.others
        self.masks = self._network.masks
        self.shared = Shared(
            self.model, self._network, data, loss, self.scoring, seed
        )
        points.check_finite(self.weights, "weights")

    def on(self, *places: int) -> "Objective":
        """Returns a view of this objective on some of its batches.

        Args:
            *places: Integers >= 0, the numbers of the batches in the order of
                the data. Numbers wrap around after the last batch.
        """
        for place in places:
            checks.integer("places", place, 0, ", the number of a batch")
        view = copy.copy(self)
        view._places = places
        return view

    def watched(self, progress: Progress) -> "Objective":
        """Returns a view of this objective that reports to a progress bar.

        `progress` tells how many evaluations to expect; a few are not worth a
        trace. Without it their number is unknown, and derivatives are traced.
        """
        view = copy.copy(self)
        view.progress, view._evaluations = progress, progress.expected
        return view

    @checked(**points.POINT)
    def value(
        self, weights: types.Weights, temperature: float | None = None
    ) -> tf.Tensor:
        """Returns the mean loss over the batches, a differentiable scalar."""
        (value,) = self._mean("value", weights, temperature)
        return value

    @checked(**points.POINT)
    def gradient(
        self, weights: types.Weights, temperature: float | None = None
    ) -> dict[str, tf.Tensor]:
        """Returns the mean gradient of the loss over the scoring batches.

        Args:
            weights: Dict of tensors by name: all prunable weights, optionally
                with all of `others`.
            temperature: Float > 0 that logits are divided by. Defaults to the
                scoring config's, else to 1.

        Returns:
            Dict of tensors by name, d loss / d weight at `weights`, for each
            weight given. It is dense: masks do not zero it.
        """
        return self._named("gradient", weights, temperature)

    @checked(
        **points.POINT, function=checks.of_function(1, "a dict of gradients")
    )
    def saliency(
        self,
        weights: types.Weights,
        function: Callable[[dict[str, tf.Tensor]], dict[str, Any]],
        temperature: float | None = None,
    ) -> dict[str, Any]:
        """Computes scores from the gradient, reduced as `scoring.reduce` says.

        `"abs_of_mean"` returns `function` of the mean gradient,
        `"mean_of_abs"` the mean over the batches of `function` of each
        gradient.

        Args:
            weights: Dict of tensors by name, the point.
            function: Function from a dict of gradients to a dict of scores.
            temperature: As for `gradient`.

        Returns:
            Dict of scores by name, as `function` returns them.
        """
        if self.scoring.reduce == "abs_of_mean" or len(self._numbers) == 1:
            return function(self.gradient(weights, temperature))
        self.progress.expect(len(self._numbers))
        scores, shares = {}, self.shared.shares(self._numbers)  # type: ignore[var-annotated]
        for place, share in zip(self._numbers, shares, strict=True):
            part = function(self.on(place).gradient(weights, temperature))
            for name, value in part.items():
                scores[name] = share * value + scores.get(name, 0)
        return scores

    @checked(**points.POINT, vector=checks.optional(points.FLOATS))
    def hvp(
        self,
        weights: types.Weights,
        vector: types.Weights | None = None,
        temperature: float | None = None,
    ) -> dict[str, tf.Tensor]:
        """Returns the mean Hessian-vector product over the scoring batches.

        Args:
            weights: Dict of tensors by name, the point.
            vector: Dict of tensors by name, the direction. Defaults to the
                mean gradient at the point, which is free on one batch.
            temperature: As for `gradient`.

        Returns:
            Dict of tensors by name, H v at `weights`.
        """
        if vector is None:
            if len(self._numbers) == 1 and self.shared.derivatives.fused:
                return self._named("gradient_hvp", weights, temperature)
            for kind in ("gradient", "hvp"):
                self.progress.expect(len(self._numbers), kind)
            vector = self.gradient(weights, temperature)
        if not self._network.half:
            return self._named("hvp", weights, temperature, vector)
        # In float16 a small direction would underflow. H v is linear in v.
        norm, unit = points.normalized(vector)
        product = self._named("hvp", weights, temperature, unit)
        return {name: norm * p for name, p in product.items()}

    @checked(**points.POINT)
    def squared_gradient(
        self, weights: types.Weights, temperature: float | None = None
    ) -> dict[str, tf.Tensor]:
        """Returns the mean over the *examples* of the squared gradient.

        It is the diagonal of the empirical Fisher matrix. Examples run one by
        one, so batch statistics are not available.

        Args:
            weights: Dict of tensors by name, the point.
            temperature: As for `gradient`.

        Returns:
            Dict of tensors by name, all >= 0.

        Raises:
            ValueError: If the model normalizes with batch statistics.
        """
        if self.scoring.batch_norm == "train" and self._network.normalizes:
            raise ValueError(
                "Gradients of single examples need batch normalization by "
                'its moving statistics. Say scoring={"batch_norm": "eval"}.'
            )
        return self._named("squares", weights, temperature)

    @checked(**points.POINT)
    def hessian(
        self, weights: types.Weights, temperature: float | None = None
    ) -> np.ndarray:
        """Returns the whole Hessian over all n entries of the weights.

        It takes n Hessian-vector products and n^2 numbers: for small networks.

        Args:
            weights: Dict of tensors by name, all prunable weights.
            temperature: As for `gradient`.

        Returns:
            Array of shape (n, n), its entries in the order of the model.
        """
        parts = self._mean("hessian", weights, temperature)
        return np.concatenate([np.asarray(p) for p in parts], axis=1)

    @checked(
        weights=points.FLOATS,
        gram=checks.boolean,
        names=checks.optional(checks.sequence_of(checks.string, "names")),
    )
    def inputs(
        self,
        weights: types.Weights,
        gram: bool = False,
        names: Sequence[str] | None = None,
    ) -> dict[str, np.ndarray]:
        """Returns the second moments X'X of the inputs of weights.

        X is the input matrix in X W, with W the weight as a matrix. X'X is
        summed over the batches. The network runs in inference mode, and
        padding does not count.

        Args:
            weights: Dict of tensors by name, the point.
            gram: Whether to return whole matrices instead of diagonals. That
                of an embedding is diagonal, and its diagonal is returned.
            names: Names of the weights to measure. Defaults to all.

        Returns:
            Dict of float64 arrays by name.
        """
        order = points.names(weights, self.weights, {})
        values = [tf.convert_to_tensor(weights[name]) for name in order]
        batches = self.shared.batches(self._numbers, self.progress)
        return self.shared.inputs.moments(values, names, gram, batches)

    @checked(weights=points.FLOATS, sequential=checks.boolean)
    def blocks(self, weights: types.Weights, sequential: bool = True) -> Walk:
        """Returns a `walk.Walk`, which measures the inputs of each block after
        the blocks before it are pruned."""
        points.names(weights, self.weights, {})
        return self.shared.walk(self, weights, self._numbers, sequential)

    @checked(**points.POINT, power=checks.at_least(1), shares=None)
    def flow_scores(
        self,
        weights: types.Weights,
        masks: types.Masks,
        power: int = 1,
        shares: Sequence[types.ArrayLike] | None = None,
    ) -> dict[str, tf.Tensor]:
        """Returns SynFlow's scores, or those of a power of the weights.

        Args:
            weights, masks, shares: As for `synaptic_flow.Flow.scores`.
            power: Integer >= 1: 1 for SynFlow, 2 for the path kernel.
        """
        self._names_of(weights)
        self._names_of(masks)
        return self.shared.flow(power).scores(weights, masks, shares)

    @property
    def batches(self) -> list[tuple[Any, ...]]:
        """The scoring batches, a list of (x, y) or (x, y, sample_weight)."""
        return list(self.shared.batches(self._numbers, Progress()))

    @property
    def batch_count(self) -> int:
        """The number of scoring batches."""
        return len(self._numbers)

    @property
    def loss(self) -> types.Loss:
        """The loss that is scored, as `compile` takes it."""
        return self.shared.data.loss
