"""Prepares the batches two models are compared on."""

import keras
import numpy as np

from kprune.runtime import examples, keras_internals, seeds
from kprune.scoring.batches import Batches


def check_same(before, after):
    """Raises `ValueError` if two sides take different inputs. The batch sizes
    may differ unless both are fixed."""
    one, other = before.specs(), after.specs()
    same = [[(shape[1:], kind) for shape, kind in x] for x in (one, other)]
    if same[0] != same[1] or _clash(before.batch, after.batch):
        raise ValueError(
            "Expected two models that take the same inputs. Received: "
            f"{before.name!r} with {_in_words(one)}, {after.name!r} with "
            f"{_in_words(other)}"
        )


def _clash(one, other):
    return None not in (one, other) and one != other


def specs(model):
    """Returns a flat list of the (shape, dtype) of a model's inputs."""
    flat = keras.tree.flatten(structure(model))
    return [(tuple(x.shape), str(x.dtype)) for x in flat]


def read(data, batch_size, pair):
    """Returns the data as `Batches` of the batch size that a side is built for,
    else of `batch_size`."""
    return Batches(data, fixed(pair) or batch_size)


def fixed(pair):
    """Returns the batch size that one of two sides is built for, or `None`."""
    return next((side.batch for side in pair if side.batch), None)


def tensors(batch):
    """Returns the inputs of a batch of data, as tensors."""
    return keras.tree.map_structure(keras.ops.convert_to_tensor, batch[0])


def made_up(model, batch_size):
    """Returns a random batch of a model's input shapes, from a fixed seed.

    Raises:
        ValueError: If the input shapes are open or unknown.
    """

    def of_size(spec):
        shape = _closed(f"Model {model.name!r}", spec.shape, batch_size)
        return keras.KerasTensor(shape, spec.dtype)

    specs = keras.tree.map_structure(of_size, structure(model))
    rng = seeds.stream(0, "made-up inputs")
    return keras_internals.random_inputs(model, specs, rng, batch_size, None)


def made_up_of(name, specs, batch_size):
    """Returns a random flat batch for a file from the (shape, dtype) of its
    inputs; integers are zeros and ones, as their ranges are unknown."""
    rng = seeds.stream(0, "made-up inputs")

    def draw(shape, dtype):
        shape = _closed(f"File {name!r}", shape, batch_size)
        if np.dtype(dtype).kind == "f":
            return rng.normal(size=shape).astype(dtype)
        return rng.integers(0, 2, shape).astype(dtype)

    return [draw(*spec) for spec in specs]


def _closed(name, shape, batch_size):
    closed = (batch_size, *shape[1:])
    if None in closed:
        raise ValueError(
            f"{name} takes inputs of open shape {shape}. Pass `data=`."
        )
    return closed


def outputs(model, x):
    """Returns a model's outputs; raises `ValueError` if inputs do not fit."""
    keras_internals.check_inputs(model, x)
    try:
        with keras_internals.stateless(model):
            return model(x, training=False)
    except Exception as error:
        shapes = keras.tree.map_structure(lambda a: tuple(a.shape), x)
        raise ValueError(
            f"Model {model.name!r} does not take inputs of shape {shapes}: "
            f"{error}"
        ) from error


def is_cut_off(x, outputs):
    """Returns whether different examples of a batch have equal outputs."""
    return _differ(x) and not _differ(outputs)


def _differ(batch):
    """Returns whether any example of a batch differs from the first."""
    return any(map(examples.differ, keras.tree.flatten(batch)))


def structure(model):
    """Returns the specs of a model's inputs. The batch size of a subclassed
    model is open, whatever batch it was first called on."""
    specs = keras_internals.input_specs(model)
    if keras_internals.is_graph(model):
        return specs
    return keras.tree.map_structure(
        lambda x: keras.KerasTensor((None, *x.shape[1:]), x.dtype), specs
    )


def _in_words(specs):
    return ", ".join(f"{dtype} of shape {shape}" for shape, dtype in specs)
