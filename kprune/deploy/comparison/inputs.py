"""What two models are compared on: the same batches."""

import keras

from kprune.runtime import examples, keras_internals, seeds
from kprune.scoring.batches import Batches


def check_same(before, after):
    """Raises `ValueError` if two models take different inputs."""
    one, other = (
        [(x.shape, x.dtype) for x in keras.tree.flatten(_specs(model))]
        for model in (before, after)
    )
    if one != other:
        raise ValueError(
            "Expected two models that take the same inputs. Received: "
            f"{before.name!r} with {_in_words(one)}, {after.name!r} with "
            f"{_in_words(other)}"
        )


def fixed_batch_size(model):
    """Returns the batch size that a model is built for, or `None` for any."""
    if not keras_internals.is_graph(model):
        return None
    return keras.tree.flatten(_specs(model))[0].shape[0]


def read(data, batch_size):
    """Returns the inputs of the first batch of data, as tensors."""
    x, *_ = Batches(data, batch_size).at(0)
    return keras.tree.map_structure(keras.ops.convert_to_tensor, x)


def made_up(model, batch_size):
    """Returns a batch of the shapes that a model takes, always the same, or
    raises `ValueError` if these are open or not known."""

    def of_size(spec):
        shape = (batch_size, *spec.shape[1:])
        if None in shape:
            raise ValueError(
                f"Model {model.name!r} takes inputs of open shape "
                f"{spec.shape}. Pass `data=`."
            )
        return keras.KerasTensor(shape, spec.dtype)

    specs = keras.tree.map_structure(of_size, _specs(model))
    rng = seeds.stream(0, "made-up inputs")
    return keras_internals.random_inputs(model, specs, rng, batch_size, None)


def outputs(model, x):
    """Returns what a model makes of inputs, or raises `ValueError` if it does
    not take them."""
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
    """Whether different examples of a batch all have the same outputs."""
    return _differ(x) and not _differ(outputs)


def _differ(batch):
    """Whether any example of a batch differs from its first one."""
    return any(map(examples.differ, keras.tree.flatten(batch)))


def _specs(model):
    """Returns the specs of a model's inputs. The batch that a subclassed
    model was first called on does not bind it."""
    specs = keras_internals.input_specs(model)
    if keras_internals.is_graph(model):
        return specs
    return keras.tree.map_structure(
        lambda x: keras.KerasTensor((None, *x.shape[1:]), x.dtype), specs
    )


def _in_words(specs):
    return ", ".join(f"{dtype} of shape {shape}" for shape, dtype in specs)
