"""Makes up a batch when no data is given."""

import keras
import numpy as np

from kprune.runtime import (
    keras_internals,
    output_losses,
    seeds,
    user_warnings,
)
from kprune.scoring import losses
from kprune.scoring.batches import DEFAULT_BATCH_SIZE


def batch(model, loss, batch_size=None, seed=0):
    """Makes one batch (x, y) of Gaussian inputs and uniformly drawn labels.

    Su et al., 2020, https://arxiv.org/abs/2009.11094, found masks from
    corrupted data as good as those from real data, so this is a usable start.

    Args:
        model: A built Keras model with fixed input shapes.
        loss: The loss to make labels for. `None` is the compiled loss, else
            an inferred one.
        batch_size: Integer >= 1, the number of examples. Defaults to 128.
        seed: Integer >= 0. Defaults to 0.
    """
    user_warnings.warn(
        "No data was given, so scores are taken on one synthetic batch "
        "(Gaussian inputs, labels drawn uniformly). Pass `data=` (a tf.data."
        "Dataset or arrays (x, y)) to score on your own.",
    )
    rng = seeds.stream(seed, "synthetic")
    count = batch_size or DEFAULT_BATCH_SIZE
    limit = keras_internals.smallest_vocabulary(model)

    def draw(spec):
        shape, dtype = (
            spec.shape[1:],
            keras.backend.standardize_dtype(spec.dtype),
        )
        if None in shape:
            raise ValueError(
                f"Model {model.name!r} takes inputs of open shape {shape}, so "
                "no synthetic batch can be made. Pass `data=`."
            )
        if dtype == "string":
            words = keras_internals.vocabulary(model)
            return rng.choice(words, (count, *shape))
        if "int" in dtype:
            return rng.integers(0, limit, (count, *shape)).astype(dtype)
        return rng.normal(size=(count, *shape)).astype(dtype)

    x = keras.tree.map_structure(draw, keras_internals.input_specs(model))
    loss = losses.compiled_loss(model) if loss is None else loss

    def labels(one, z):
        z = np.asarray(z, "float32")
        if one is None:  # This output has no loss; others have.
            return z
        classes = z.shape[-1]
        if keras_internals.wants_integers(one):
            return rng.integers(0, classes, z.shape[:-1]).astype("int32")
        if keras_internals.reads_logits(one) is None:
            return rng.normal(size=z.shape).astype("float32")
        if classes == 1:
            return rng.integers(0, 2, z.shape).astype("float32")
        chosen = rng.integers(0, classes, z.shape[:-1])
        return np.eye(classes, dtype="float32")[chosen]

    with keras_internals.stateless(model):  # Keeps stateful layers unchanged.
        outputs = model(keras.tree.map_structure(lambda a: a[:2], x))
    outputs = keras.tree.map_structure(
        lambda z: np.zeros((count, *z.shape[1:]), "float32") + z[:1], outputs
    )
    if loss is None:
        loss = losses.infer(model, outputs)
    each = output_losses.by_output(model, loss, outputs)
    pairs = zip(each, keras.tree.flatten(outputs), strict=True)
    y = [labels(keras.losses.get(one), z) for one, z in pairs]
    return x, keras.tree.pack_sequence_as(outputs, y)
