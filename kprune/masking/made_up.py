"""Makes up inputs, and verifies by them that two models agree."""

import keras
import numpy as np

from kprune.runtime import keras_internals, seeds

TOLERANCE = 1e-5
_OPEN = (64, 128, 256, 32, 16, 8, 4, 2, 1)  # Sizes to try for open dimensions.


def taken(model, examples=2):
    """Returns the arguments of a call that the model takes, always the same,
    and its outputs.

    Numbers are normal, words come from the vocabularies of the model, whole
    numbers from its smallest embedding.

    Raises:
        ValueError: If its inputs are not known, or it takes none of these.
    """
    try:
        specs = keras_internals.call_arguments(model)
    except AttributeError:  # A Sequential model of no single input.
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
    """Returns what a model gives for the arguments `x`, a list of arrays. Its
    state stays, random state too."""
    with keras_internals.stateless(model):
        found = keras_internals.infer(model, *x, training=training)
    found = [keras.ops.convert_to_numpy(z) for z in keras.tree.flatten(found)]
    return [z.astype("float64") if z.dtype.kind in "fV" else z for z in found]


def difference(ones, others, least=0.0):
    """Returns how far outputs differ at most, as a share of the largest of
    each; infinite if shapes differ, or what is no number.

    Args:
        ones, others: Lists of arrays, what is expected and what was found.
        least: What stands for the largest where all are zero.
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

    Of a model whose inputs are not known, or that draws at random from a state
    that is not its own, nothing is said.

    Args:
        model, copy: Keras models.
        training: Which values of `training` to compare them with.

    Raises:
        ValueError: If the outputs differ by more than 1e-5 of the largest, or
            the copy has none.
    """
    try:
        x, expected = taken(model)
    except ValueError:
        return
    for mode in training:
        try:
            expected = outputs(model, x, mode) if mode else expected
        except Exception:
            continue  # It trains on nothing like these.
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
