"""Verifies an exported file against the model's outputs."""

import keras
import numpy as np

from kprune.deploy import runtimes
from kprune.deploy.exporting import inputs
from kprune.masking import made_up
from kprune.runtime import examples, keras_internals
from kprune.runtime.words import one_line

EXAMPLES = 4


def example(model, representative=()):
    """Returns a flat list of input arrays, and the model's outputs for them.

    Args:
        model: A stripped Keras model.
        representative: Batches of inputs; the first `EXAMPLES` of the first
            batch are used. Without any, inputs are random.

    Raises:
        ValueError: If the inputs do not fit the model, or the model's input
            shapes are unknown.
    """
    if not representative:
        x, expected = made_up.taken(model, EXAMPLES)
        return inputs.flat(x), expected
    arguments = keras_internals.call_arguments(model)
    flat = [one[:EXAMPLES] for one in representative[0]]
    known = [tuple(spec.shape) for spec in keras.tree.flatten(arguments)]
    fits = len(known) == len(flat) and all(map(_fits, known, flat))
    if not fits:
        raise ValueError(
            f"`representative_data` does not fit model {model.name!r}. "
            f"Expected inputs of shape {known}. Received: "
            f"{[one.shape for one in flat]}"
        )
    x = keras.tree.pack_sequence_as(arguments, flat)
    return flat, made_up.outputs(model, x)


def _fits(shape, array):
    """Returns whether an array fits a shape with `None` for open dimensions;
    the batch dimension is ignored."""
    return len(shape) == array.ndim and all(
        n in (None, m) for n, m in zip(shape[1:], array.shape[1:], strict=True)
    )


def doubts(x, expected):
    """Returns a tuple of warnings: one sentence if different examples give
    equal outputs, so that comparing outputs verifies little, else none."""
    if x is None or not any(map(examples.differ, x)):
        return ()
    if any(map(examples.differ, expected)):
        return ()
    return (
        "The model's outputs do not depend on its inputs, so that comparing "
        "them says little of the file.",
    )


def check(path, format, x, expected, tolerance):
    """Returns the error of a file's outputs, relative to the largest output.

    Args:
        path: Path of the file or directory.
        format: Name of its format.
        x: Flat list of input arrays.
        expected: List of output arrays.
        tolerance: Number, the largest allowed error.

    Raises:
        ValueError: If the error exceeds the tolerance, or the file does not
            run.
    """
    runner = runtimes.open(path, format)
    found = run(runner, x)
    rows = covered(runner, x)
    expected = [one[:rows] for one in expected]
    error = made_up.difference(expected, found, least=1.0)
    if not (error <= tolerance):  # NaN fails too.
        text = (
            f"The {format!r} file does not give the model's outputs: they "
            f"differ by {error:.3g} of the largest. Expected at most "
            f"{tolerance:g} (`tolerance=`). Nothing was written."
        )
        raise ValueError(f"{text} {runner.advice}".rstrip())
    return error


def run(runner, x):
    """Returns a runner's outputs for the examples it covers, batch by batch if
    its batch size is fixed."""
    step = _batch(runner, x)
    parts = [
        _run(runner, [one[at : at + step] for one in x])
        for at in range(0, covered(runner, x), step)
    ]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def covered(runner, x):
    """Returns how many examples of `x` fill whole batches of a runner."""
    return len(x[0]) // _batch(runner, x) * _batch(runner, x)


def _batch(runner, x):
    return runner.inputs[0][1][0] or len(x[0])


def _run(runner, x):
    try:
        return runner(x)
    except Exception as error:
        raise ValueError(
            "The file does not run in its own runtime on inputs of shape "
            f"{[one.shape for one in x]}: {one_line(error)}"
        ) from error
