"""The training loss as a pure function of the prunable weights.

Every criterion that looks at data is a few lines over functions of it:
`gradient` and `hvp`, averaged over the scoring batches, and `inputs`, summed.
"""

import copy

import numpy as np
import tensorflow as tf

from kprune.masking import weights
from kprune.runtime import checks, seeds
from kprune.runtime.doors import checked
from kprune.runtime.progress import Progress
from kprune.runtime.renamed import renamed
from kprune.scoring import config, points
from kprune.scoring.network import Network, excluded
from kprune.scoring.shared import Shared


@renamed(probe=config.WAYS["probe"])
@checked(scoring=None)
class Objective:
    """The loss of a model on the scoring batches, as a function of weights.

    Nothing of the model changes: no variable, statistic, optimizer slot or
    random state. Regularization losses are no part of the loss. A model made
    in the scope of a `tf.distribute` strategy is scored on all its replicas,
    each with its share of every batch; all workers must be given the same
    data.

    Args:
        model: A built Keras model, wrapped or not, or a `weights.View` of it.
            Masks it has are reported in `masks` and do not enter the
            functions: they compute with the weights they are given.
        data: What `fit` takes: a `tf.data.Dataset`, arrays `(x, y)` or
            `(x, y, sample_weight)`, a `keras.utils.PyDataset` or a generator
            of batches. `None` makes a synthetic batch, with a warning.
        loss: As `compile` takes it. Defaults to the compiled loss, else to
            the cross-entropy that fits the outputs, with a warning.
        scoring: A `kprune.ScoringConfig`, or a dict of its fields.
        seed: Integer >= 0, for synthetic data and random scores.
        exclude: Names of weights or layers, or patterns, to leave out.

    Attributes:
        weights: Dict from name to the values of each prunable weight, float32
            or wider.
        others: Dict from path to the values of all other trainable variables:
            biases, batch normalization's gamma and beta, what is left out.
        masks: Dict from name to the current mask, boolean.
        layouts: Dict from name to `kprune.masking.layouts.Layout`.
        scoring: The scoring config.
        shared: What all views of the objective share, a `shared.Shared`.
    """

    def __init__(
        self, model, data=None, loss=None, scoring=None, *, seed=0, exclude=()
    ):
        seeds.check(seed)
        view = weights.find(model)
        self.model = view.model
        self.seed = seed
        self.scoring = config.get(scoring)
        self.progress = Progress()
        self._evaluations = lambda kind: None  # Nobody knows how many.
        self._places = None
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

    def on(self, *places):
        """Returns this objective on some of its batches alone.

        Args:
            *places: Numbers of the batches, in the order of the data. After
                the last batch comes the first.
        """
        for place in places:
            checks.integer("places", place, 0, ", the number of a batch")
        view = copy.copy(self)
        view._places = places
        return view

    def watched(self, progress):
        """Returns this objective, with a bar that shows its progress.

        What is evaluated a few times by then is not traced. An objective that
        nobody watches may be evaluated any number of times.
        """
        view = copy.copy(self)
        view.progress, view._evaluations = progress, progress.expected
        return view

    @checked(**points.POINT)
    def value(self, weights, temperature=None):
        """Returns the mean loss over the batches, which a tape can follow."""
        (value,) = self._mean("value", weights, temperature)
        return value

    @checked(**points.POINT)
    def gradient(self, weights, temperature=None):
        """Returns the mean gradient of the loss over the scoring batches.

        Args:
            weights: Dict of tensors by name: all prunable weights, or with
                them all of `others`.
            temperature: Logits are divided by it before the loss. Defaults to
                the scoring config's, else to 1.

        Returns:
            Dict of tensors by name, d loss / d weight at `weights`, dense
            also where a mask is False, for each weight given.
        """
        return self._named("gradient", weights, temperature)

    @checked(
        **points.POINT, function=checks.of_function(1, "a dict of gradients")
    )
    def saliency(self, weights, function, temperature=None):
        """Returns a function of the gradient, as the scoring config reduces it.

        With `reduce="abs_of_mean"`, `function` of the mean gradient; with
        `"mean_of_abs"`, the mean of it over the batches.

        Args:
            weights: Dict of tensors by name, the point.
            function: Function from a dict of gradients to a dict of scores.
            temperature: As for `gradient`.
        """
        if self.scoring.reduce == "abs_of_mean" or len(self._numbers) == 1:
            return function(self.gradient(weights, temperature))
        self.progress.expect(len(self._numbers))
        scores, shares = {}, self.shared.shares(self._numbers)
        for place, share in zip(self._numbers, shares, strict=True):
            part = function(self.on(place).gradient(weights, temperature))
            for name, value in part.items():
                scores[name] = share * value + scores.get(name, 0)
        return scores

    @checked(**points.POINT, vector=checks.optional(points.FLOATS))
    def hvp(self, weights, vector=None, temperature=None):
        """Returns the mean Hessian-vector product over the same batches.

        Args:
            weights: Dict of tensors by name, the point.
            vector: Dict of tensors by name, the direction. Defaults to the
                mean gradient at the point, which on one batch comes for free.
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
    def squared_gradient(self, weights, temperature=None):
        """Returns the mean over the *examples* of the squared gradient.

        It is the diagonal of the empirical Fisher matrix. Examples are run one
        by one, so there are no statistics of a batch.

        Args:
            weights: Dict of tensors by name, the point.
            temperature: As for `gradient`.

        Returns:
            Dict of tensors by name, all >= 0.

        Raises:
            ValueError: If the model normalizes with statistics of the batch.
        """
        if self.scoring.batch_norm == "train" and self._network.normalizes:
            raise ValueError(
                "Gradients of single examples need batch normalization by "
                'its moving statistics. Say scoring={"batch_norm": "eval"}.'
            )
        return self._named("squares", weights, temperature)

    @checked(**points.POINT)
    def hessian(self, weights, temperature=None):
        """Returns the whole Hessian, a matrix over all prunable entries in
        the order of `weights`. For small networks: n Hessian-vector products
        and n^2 numbers.

        Args:
            weights: Dict of tensors by name, all prunable weights.
            temperature: As for `gradient`.
        """
        parts = self._mean("hessian", weights, temperature)
        return np.concatenate([np.asarray(p) for p in parts], axis=1)

    @checked(
        weights=points.FLOATS,
        gram=checks.boolean,
        names=checks.optional(checks.sequence_of(checks.string, "names")),
    )
    def inputs(self, weights, gram=False, names=None):
        """Returns X'X of what weights read, X as it enters X W with W the
        weight as a matrix, summed over the batches: float64 arrays by name.

        The network is in inference mode, and padding is left out.

        Args:
            weights: Dict of tensors by name, the point.
            gram: Whether to return whole matrices, not diagonals; the matrix
                of an embedding is diagonal and comes as that.
            names: Names of the weights to look at. Defaults to all.
        """
        order = points.names(weights, self.weights, {})
        values = [tf.convert_to_tensor(weights[name]) for name in order]
        batches = self.shared.batches(self._numbers, self.progress)
        return self.shared.inputs.moments(values, names, gram, batches)

    @checked(weights=points.FLOATS, sequential=checks.boolean)
    def blocks(self, weights, sequential=True):
        """Returns a `walk.Walk`, of `inputs` behind blocks that are pruned."""
        points.names(weights, self.weights, {})
        return self.shared.walk(self, weights, self._numbers, sequential)

    @checked(**points.POINT, power=checks.at_least(1), shares=None)
    def flow_scores(self, weights, masks, power=1, shares=None):
        """Returns SynFlow's scores, or those of a power of the weights
        (`synaptic_flow.Flow.scores`)."""
        self._names_of(weights)
        self._names_of(masks)
        return self.shared.flow(power).scores(weights, masks, shares)

    @property
    def batches(self):
        """The scoring batches, a list of (x, y, sample_weight)."""
        return list(self.shared.batches(self._numbers, Progress()))

    @property
    def batch_count(self):
        """How many scoring batches there are."""
        return len(self._numbers)

    @property
    def loss(self):
        """The loss that the model is trained with, as `compile` takes it."""
        return self.shared.data.loss

    def by_operation(self):
        """Returns this objective, evaluated without traces, or `None` if its
        Hessian-vector products are traced, scaled or of replicas.

        A tape of its `gradient` has the Hessian, to the bit what `hvp` gives.
        """
        products = self._evaluations("hvp")
        if not self.shared.derivatives.by_operation(products):
            return None
        view = copy.copy(self)
        view._evaluations = lambda kind: 1
        return view

    @property
    def strategy(self):
        """The `tf.distribute` strategy of the model."""
        return self.model.distribute_strategy

    def hand_on(self):
        """Leaves what was traced to the next objective of the same model."""
        self.shared.hand_on()

    def _mean(self, kind, weights, temperature, vector=None):
        names = self._names_of(weights)
        if vector is not None:
            self._names_of(vector)
        values = [tf.convert_to_tensor(weights[name]) for name in names]
        vectors = [
            tf.convert_to_tensor(vector[n]) for n in (names if vector else [])
        ]
        self.progress.begin_pass(len(self._numbers))
        return self.shared.mean(
            kind,
            values,
            self._numbers,
            self.progress,
            temperature=temperature or self.scoring.temperature or 1.0,
            vectors=vectors,
            evaluations=self._evaluations(kind),
        )

    def _named(self, kind, weights, temperature, vector=None):
        mean = self._mean(kind, weights, temperature, vector)
        result = dict(zip(self._names_of(weights), mean, strict=True))
        points.check_finite(result, "gradients")
        return result

    def _names_of(self, given):
        """Returns the names of the weights given, in the order of the model."""
        return points.names(given, self.weights, self.others)

    @property
    def _numbers(self):
        if self._places is not None:
            return self._places
        return range(self.shared.data.batches.count(self.scoring.batches))
