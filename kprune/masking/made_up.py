"""Makes up inputs, and verifies by them that two models agree."""

import keras
import numpy as np

from kprune.runtime import keras_internals, seeds

TOLERANCE = 1e-5
_OPEN = (64, 128, 256, 32, 16, 8, 4, 2, 1)  # Sizes to try for open dimensions.


def taken(model, examples=2):
    """Returns (list of made-up call arguments, outputs of the model on them).

    Deterministic. Floats are drawn from a normal distribution, strings from
    the model's vocabularies, integers from the range of its smallest
    embedding. Open dimensions take the first size of `_OPEN` that works.

    Raises:
        ValueError: If the model's inputs are unknown, or it fails on all of
            them.
    """
    try:
        specs = keras_internals.call_arguments(model)
    except AttributeError:  # A Sequential model without a single input.
        specs = None
    if not specs:
        raise ValueError(
            f"The inputs of model {model.name!r} are not known. Call it on "
            "data once."
        )
    is_open = any(None in x.shape[1:] for x in keras.tree.flatten(specs))
    failed = None
    for size in _OPEN if is_open else _OPEN[:1]:
        rng = seeds.stream(0, "made-up inputs")
        x = keras_internals.random_inputs(model, specs, rng, examples, size)
        try:
            return x, outputs(model, x)
        except Exception as error:
            failed = failed or error
    raise ValueError(
        f"Model {model.name!r} does not take made-up inputs."
    ) from failed


def outputs(model, x, training=False):
    """Returns a model's outputs on the call arguments `x` as a flat list of
    arrays, floats in float64. Does not change its state or random state."""
    with keras_internals.stateless(model):
        found = keras_internals.infer(model, *x, training=training)
    found = [keras.ops.convert_to_numpy(z) for z in keras.tree.flatten(found)]
    return [z.astype("float64") if z.dtype.kind in "fV" else z for z in found]


def difference(ones, others, least=0.0):
    """Returns the largest difference between outputs, relative to the largest
    finite absolute value of each expected output.

    It is infinite if numbers or shapes of outputs differ, or entries that are
    not numbers.

    Args:
        ones, others: Lists of arrays, the expected and the actual outputs.
        least: The scale for an expected output whose entries are all zero.
    """
    if len(ones) != len(others):
        return np.inf
    errors = [
        _difference(*both, least) for both in zip(ones, others, strict=True)
    ]
    return float(np.max([0.0, *errors]))  # NaN if one of them is.


def _difference(one, other, least):
    if one.shape != other.shape:
        return np.inf
    if one.dtype.kind not in "fiub":
        return 0.0 if np.array_equal(one, other) else np.inf
    one, other = one.astype("float64"), other.astype("float64")
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    if same.all():
        return 0.0
    scale = np.abs(one[np.isfinite(one)]).max(initial=0) or least
    largest = np.abs(one - other)[~same].max()
    return largest / scale if scale else np.inf


def prove(model, copy, training=(False,)):
    """Raises unless a copy has the model's outputs on made-up inputs.

    Skips models whose inputs are unknown, and models that draw random numbers
    from a state that they do not own.

    Args:
        model, copy: Keras models.
        training: Sequence of the values of `training` to call both with.

    Raises:
        ValueError: If the outputs differ by more than 1e-5 of the largest, or
            the copy fails on the inputs.
    """
    try:
        x, expected = taken(model)
    except ValueError:
        return
    for mode in training:
        try:
            expected = outputs(model, x, mode) if mode else expected
        except Exception:
            continue  # The model cannot train on such inputs.
        try:
            found = outputs(copy, x, mode)
        except Exception as raised:
            raise ValueError(
                f"The copy of {model.name!r} does not take what the model "
                f"takes: {raised}"
            ) from raised
        error = difference(expected, found)
        if error <= TOLERANCE:
            continue
        if difference(expected, outputs(model, x, mode)) <= TOLERANCE:
            raise ValueError(
                f"The copy of {model.name!r} has other outputs: on made-up "
                f"inputs with training={mode} they differ by {error:.2g} of "
                f"the largest. Expected at most {TOLERANCE:g}: its class may "
                "lack a `get_config` that returns the constructor's arguments."
            )
