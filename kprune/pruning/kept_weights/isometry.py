"""Restores approximate isometry of the kept weights.

"A Signal Propagation Perspective for Pruning Neural Networks at
Initialization", Lee et al., 2020 (https://arxiv.org/abs/1906.06307).
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from kprune.masking import weights, wrapping
from kprune.pruning.granularity.base import as_matrix, put_back
from kprune.runtime import checks, seeds, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@dataclasses.dataclass(frozen=True)
class Residual:
    """A weight's distance from an isometry, the Frobenius norm |W^T W - I|.

    Args:
        before: The distance before the update.
        after: The distance after it.
    """

    before: float
    after: float


@checked(
    orthogonal_start=checks.boolean,
    steps=checks.integer,
    learning_rate=checks.within("(0, inf)"),
    patience=checks.optional(checks.at_least(1)),
)
def isometry(
    model: types.Model,
    seed: int = 0,
    *,
    steps: int = 10_000,
    learning_rate: float = 0.1,
    patience: int | None = 100,
    orthogonal_start: bool = False,
) -> dict[str, Residual]:
    """Updates kept weights so that each layer approximately preserves lengths.

        minimize |(C W)^T (C W) - I|  over the weights that the mask C keeps

    by gradient descent, without data, for each layer separately. A
    convolution's W is its kernel as a matrix with a column for each filter.
    The norm is not squared, so gradient descent oscillates near the minimum:
    the weights of the smallest residual are kept, and a layer stops when its
    residual has not fallen for `patience` steps (the paper takes all steps and
    the last weights).

    The residual cannot become 0 everywhere: with r rows and c > r columns it
    is at least sqrt(c - r), and a fully pruned column adds 1 to its square.
    Biases and embeddings stay.

    Args:
        model: A wrapped model, pruned before training, changed in place. Pass
            `kprune.Pruner(after_pruning=kprune.kept_weights.isometry)` to run
            it after pruning.
        seed: Integer >= 0, for the orthogonal start.
        steps: Integer >= 0, the maximum number of steps.
        learning_rate: Number > 0.
        patience: Integer >= 1, or `None` to take all steps.
        orthogonal_start: Whether each layer starts from a random orthogonal
            matrix, with zeros where it is pruned. Defaults to `False`: it
            starts from its own weights, which in the paper were orthogonal
            before pruning.

    Returns:
        Dict from the name of each weight to its `Residual`, which compares the
        weights before and after the call, whatever the start was.

    Raises:
        ValueError: If the model has no masks, or an argument is invalid.

    Example:

    >>> pruned = kprune.prune(model, "random", 0.5)
    >>> found = kprune.kept_weights.isometry(pruned, steps=100)
    >>> found["fc1/kernel"].after < found["fc1/kernel"].before
    True
    """
    wrapping.get_masks(model)  # Raises if it has none.
    found = {}
    for weight in weights.find(model):
        if weight.mask is None or weight.variable.name == "embeddings":
            continue
        w, mask = (
            as_matrix(keras.ops.convert_to_numpy(variable), weight.layout)
            for variable in (weight.variable, weight.mask)
        )
        w = np.where(mask, w, 0)
        start = w
        if orthogonal_start:
            rng = seeds.stream(seed, "isometry", weight.name)
            start = np.where(mask, _orthogonal(w.shape, rng), 0)
        best, after = descend(
            start, mask, steps, learning_rate, patience or steps
        )
        found[weight.name] = Residual(residual(w), float(after))
        weight.variable.assign(put_back(np.asarray(best), weight.layout))
    return found


def residual(w):
    """Returns |W^T W - I| of a matrix, a float."""
    return float(_value_and_direction(tf.constant(w))[0])


def descend(w, mask, steps, learning_rate, patience):
    """Returns the matrix of the smallest residual, and that residual.

    Args:
        w: Float matrix, zero where `mask` is False.
        mask: Boolean matrix: the entries that may change.
        steps, learning_rate, patience: As for `isometry`.
    """
    dtype = tf.as_dtype(w.dtype)
    return _descend(
        tf.constant(w),
        tf.cast(mask, dtype),
        tf.constant(steps),
        tf.cast(learning_rate, dtype),
        tf.constant(patience),
    )


@tf.function(reduce_retracing=True)
def _descend(w, mask, steps, learning_rate, patience):
    def goes_on(step, last, *rest):
        del rest
        return (step < steps) & (step - last < patience)

    def body(step, last, w, direction, best, least):
        w = w - learning_rate * mask * direction
        value, direction = _value_and_direction(w)
        better = value < least
        return (
            step + 1,
            tf.where(better, step + 1, last),
            w,
            direction,
            tf.where(better, w, best),
            tf.minimum(value, least),
        )

    value, direction = _value_and_direction(w)
    zero = tf.constant(0)
    *_, best, least = tf.while_loop(
        goes_on, body, (zero, zero, w, direction, w, value)
    )
    return best, least


def _value_and_direction(w):
    """Returns |W^T W - I| and its gradient.

    The gradient is 2 W (W^T W - I) / |W^T W - I|, or 0 if the norm is 0.
    """
    gap = tf.matmul(w, w, transpose_a=True)
    gap -= tf.eye(tf.shape(w)[1], dtype=w.dtype)
    norm = tf.norm(gap)
    return norm, tf.math.divide_no_nan(2 * tf.matmul(w, gap), norm)


def _orthogonal(shape, rng):
    """Draws a matrix with orthonormal columns, or rows if these are fewer.

    The draw is uniform over all such matrices.
    """
    drawn = rng.normal(size=(max(shape), min(shape)))
    q, r = np.linalg.qr(drawn)
    q = q * np.sign(np.diag(r))
    return (q if shape[0] >= shape[1] else q.T).astype("float32")


METHOD = Method(
    "isometry",
    title="approximate isometry",
    call="kprune.kept_weights.isometry(model)",
    paper="Lee et al., 2020",
    link="https://arxiv.org/abs/1906.06307",
    test="tests/pruning/test_isometry.py::"
    "test_the_gradient_is_that_of_finite_differences",
    deviation="a layer is done once its residual has not fallen for 100 steps, "
    "and keeps its best",
)
