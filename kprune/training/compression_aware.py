"""CrAM: steps towards weights that survive pruning (Peste et al., 2023).

https://arxiv.org/abs/2207.14200
"""

import contextlib
import inspect
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf

from kprune.masking import weights
from kprune.masking.masks import count_kept
from kprune.runtime import checks, distribution, keras_internals, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method

_SPARSITY = checks.within("[0, 1)")


def _sparsities(name, value):
    value = checks.sequence_of(_SPARSITY, "sparsities")(name, value)
    return checks.require(len(value) > 0, name, value, "one sparsity at least")


@contextlib.contextmanager
@checked(
    model=checks.model,
    sparsities=_sparsities,
    rho=checks.within("[0, inf)"),
    plus=checks.boolean,
    sparse_gradients=checks.boolean,
)
def compression_aware(
    model: types.Model,
    sparsities: Sequence[float] = (0.5, 0.7, 0.9),
    *,
    rho: float = 0.05,
    plus: bool = True,
    sparse_gradients: bool = True,
    seed: int = 0,
) -> Iterator[types.Model]:
    """Returns a context in which `fit` trains a model by CrAM's steps.

        w <- optimizer's step by g+ = dL/dw(C(w + rho g)) + g,  g = dL/dw(w)

    on each batch, where C keeps the largest |w| of all prunable weights. Its
    sparsity is drawn anew in each step. The trained model is dense, and loses
    little when `kprune.prune(model, "magnitude", sparsity)` prunes it to one
    of these sparsities; recompute the statistics of batch normalization then
    (`kprune.kept_weights.recalibrate`). A step takes twice as long.

    The loss and metrics are those at w, and so are the statistics of batch
    normalization. Any `fit` in the context is such a training, that of
    `kprune.training.fit` included, which resumes bit for bit. Do not compile
    the model in it.

    Args:
        model: A compiled Keras model that calls `self.compute_loss` in its
            `train_step`. It is trained in place.
        sparsities: Sequence of numbers in [0, 1). Defaults to the paper's for
            ImageNet.
        rho: Number >= 0, the length of the step before C is taken, in
            gradients. Defaults to 0.05.
        plus: Whether to add g, as CrAM+ does. Defaults to `True`; `False` is
            CrAM.
        sparse_gradients: Whether the gradient at C(w + rho g) is zero where C
            prunes. Defaults to `True`, as in the released configs.
        seed: Integer >= 0, for the sparsities drawn.

    Yields:
        The model.

    Raises:
        ValueError: If an argument is invalid, or the model is not compiled,
            scales its loss, or trains on several replicas.

    Example:

    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("sgd", loss)
    >>> with kprune.training.compression_aware(model, [0.8, 0.9]):
    ...     history = model.fit(train, epochs=1, verbose=0)
    >>> pruned = kprune.prune(model, "magnitude", 0.9)
    """
    _check(model)
    checks.integer("seed", seed, 0)
    step = _Step(model, sparsities, rho, plus, sparse_gradients, seed)
    optimizer, own = model.optimizer, vars(model.optimizer)
    before = vars(model).get("compute_loss")
    keras_internals.forget_compiled_functions(model)
    vars(model)["compute_loss"] = step.compute_loss
    own["apply"] = step.apply
    try:
        yield model
    finally:
        del own["apply"], vars(model)["compute_loss"]
        if before is not None:
            vars(model)["compute_loss"] = before
        keras_internals.forget_compiled_functions(model)
    if model.optimizer is not optimizer:
        raise ValueError(
            f"Model {model.name!r} was compiled within `compression_aware`, "
            "and trained by its plain steps since. Expected one `compile`, "
            "before the context."
        )


def _check(model):
    if not model.compiled or model.optimizer is None:
        raise ValueError(
            f"Model {model.name!r} is not compiled. Expected a call of "
            "`compile` before."
        )
    if "apply" in vars(model.optimizer):
        raise ValueError(
            f"Model {model.name!r} trains by CrAM's steps already. Expected "
            "one `compression_aware` at a time."
        )
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    if scaled or distribution.replicas(model.distribute_strategy) > 1:
        raise ValueError(
            "CrAM's step goes along the gradient of the whole batch. Expected "
            "one replica and an optimizer that does not scale the loss. "
            f"Received: {type(model.optimizer).__name__} on "
            f"{distribution.replicas(model.distribute_strategy)} replicas"
        )


class _Step:
    """The `compute_loss` of a model and the `apply` of its optimizer, which
    takes the gradient anew at compressed weights."""

    def __init__(self, model, sparsities, rho, plus, sparse_gradients, seed):
        self._model, self._batch = model, None
        self._sparsities, self._rho = sparsities, rho
        self._plus, self._sparse = plus, sparse_gradients
        self._seed = seed
        self._loss, self._apply = model.compute_loss, model.optimizer.apply
        self._signature = inspect.signature(model.compute_loss)
        self._prunable = {
            id(w.variable) for w in weights.prunable(model).values()
        }

    def compute_loss(self, *args, **kwargs):
        given = self._signature.bind(*args, **kwargs).arguments
        self._batch = {n: v for n, v in given.items() if n != "y_pred"}
        return self._loss(*args, **kwargs)

    def apply(self, grads, trainable_variables=None):
        if trainable_variables is None:
            trainable_variables = self._model.trainable_variables
        variables, batch = list(trainable_variables), self._batch
        if batch is None or batch.get("x") is None:
            raise ValueError(
                f"The `train_step` of model {self._model.name!r} does not "
                "give `self.compute_loss` its inputs, at which the gradient "
                "is taken again. Expected `self.compute_loss(x=x, y=y, "
                "y_pred=y_pred)` in it."
            )
        grads = [tf.convert_to_tensor(g) for g in grads]
        masks, values = self._compressed(variables, grads)
        again = self._gradient(variables, values, batch)
        if self._sparse:
            again = [
                g if mask is None else tf.where(mask, g, tf.zeros_like(g))
                for g, mask in zip(again, masks, strict=True)
            ]
        if self._plus:
            pairs = zip(again, grads, strict=True)
            again = [new + tf.cast(old, new.dtype) for new, old in pairs]
        self._apply(again, variables)

    def _compressed(self, variables, grads):
        """Returns the masks (or `None`) and values of C(w + rho g)."""
        values = [
            v.value + tf.cast(self._rho, v.dtype) * tf.cast(g, v.dtype)
            for v, g in zip(variables, grads, strict=True)
        ]
        among = [id(v) in self._prunable for v in variables]
        sizes = [
            tf.reshape(tf.abs(value), [-1])
            for value, one in zip(values, among, strict=True)
            if one
        ]
        flat = tf.sort(tf.concat(sizes, 0), direction="DESCENDING")
        size = flat.shape[0]
        kept = tf.constant(
            [max(1, count_kept(size, s)) for s in self._sparsities]
        )
        iterations = tf.cast(self._model.optimizer.iterations.value, tf.int32)
        drawn = tf.random.stateless_uniform(
            [], [self._seed, iterations], 0, len(self._sparsities), tf.int32
        )
        least = flat[kept[drawn] - 1]
        masks = [
            tf.abs(value) >= tf.cast(least, value.dtype) if one else None
            for value, one in zip(values, among, strict=True)
        ]
        return masks, [
            value if mask is None else tf.where(mask, value, 0)
            for value, mask in zip(values, masks, strict=True)
        ]

    def _gradient(self, variables, values, batch):
        """Returns the gradient of the loss at other values, without changes of
        the model's state."""
        pairs = list(zip(variables, values, strict=True))
        with tf.GradientTape() as tape:
            tape.watch(values)
            with keras_internals.stateless(self._model, pairs, True):
                y_pred = self._model(batch["x"], training=True)
                loss = self._loss(**batch, y_pred=y_pred)
        none = tf.UnconnectedGradients.ZERO
        return tape.gradient(loss, values, unconnected_gradients=none)


METHOD = Method(
    "compression_aware",
    title="CrAM and CrAM+",
    call="kprune.training.compression_aware(model, [0.5, 0.7, 0.9])",
    paper="Peste et al., 2023",
    link="https://arxiv.org/abs/2207.14200",
    test="tests/training/test_compression_aware.py::test_a_step_by_hand",
    deviation="C prunes to the largest of the model only, neither uniformly "
    "nor N:M",
)
