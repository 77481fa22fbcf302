"""Finds the loss to score by: given, compiled or inferred."""

import keras
import numpy as np
import tensorflow as tf

from kprune.runtime import keras_internals, user_warnings
from kprune.runtime.words import shown


def resolve(model, loss, outputs, labels):
    """Returns the loss to use, as `compile` takes it.

    It is the given one, `None` for the compiled one, or one inferred from a
    batch of the model's outputs and labels, with a warning.
    """
    if loss is not None:
        try:
            keras.tree.map_structure(
                lambda one: one if callable(one) else keras.losses.get(one),
                loss,
            )
        except (TypeError, ValueError) as error:
            raise ValueError(
                "Invalid value for argument `loss`. Expected a loss as "
                f"`compile` takes it. Received: loss={shown(loss)}. {error}"
            ) from error
        return loss
    if compiled_loss(model) is not None:
        return None
    loss = infer(model, outputs, labels)
    user_warnings.warn(
        "No loss was given and the model is not compiled, so scores are "
        f"taken of {loss.name} with from_logits="
        f"{loss.get_config()['from_logits']}. Pass `loss=` to choose.",
    )
    return loss


def compiled_loss(model):
    """Returns the loss the model is compiled with, or `None`."""
    return keras_internals.compiled_loss(model) if model.compiled else None


def infer(model, outputs, labels=None):
    """Returns the cross-entropy that fits a model's output and labels."""
    if keras.tree.is_nested(outputs):
        raise ValueError(
            f"Model {model.name!r} has several outputs and is not compiled. "
            "Expected `loss=`, a list or dict with one loss per output."
        )
    outputs = np.asarray(outputs, "float32")
    probabilities = is_probability(model, outputs)
    if outputs.shape[-1] == 1:
        return keras.losses.BinaryCrossentropy(from_logits=not probabilities)
    one_hot = labels is not None and np.shape(labels) == outputs.shape
    if one_hot:
        return keras.losses.CategoricalCrossentropy(
            from_logits=not probabilities
        )
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=not probabilities
    )


def is_probability(model, outputs):
    """Returns whether outputs are probabilities, by their values and, for one
    unit, its activation."""
    if outputs.min() < 0 or outputs.max() > 1:
        return False
    if outputs.shape[-1] > 1:
        return bool(np.allclose(outputs.sum(-1), 1, atol=1e-2))
    if not keras_internals.is_graph(model):
        return True
    return any(
        keras_internals.activation_name(layer) == "sigmoid"
        for layer in keras_internals.last_layers(model)
    )


def check_labels(model, loss, outputs, labels):
    """Raises `ValueError` if the labels do not fit the outputs and the loss.

    Labels may differ in size from the outputs where Keras accepts that.
    """
    loss = compiled_loss(model) if loss is None else loss
    if keras.tree.is_nested(outputs) or keras.tree.is_nested(loss):
        return  # Keras checks structures itself.
    outputs, labels = np.asarray(outputs), np.asarray(labels)
    if keras_internals.wants_integers(loss):
        classes = outputs.shape[-1]
        given = labels[labels != getattr(loss, "ignore_class", None)]
        whole = np.equal(np.mod(given, 1), 0).all()
        below, above = given.min(initial=0) < 0, given.max(initial=0) >= classes
        if not whole or below or above:
            raise ValueError(
                "The labels do not fit the loss. Expected integers from 0 to "
                f"{classes - 1}, for the {classes} outputs of the model. "
                f"Received: values from {given.min()} to {given.max()}"
                + ("" if whole else ", not all whole")
            )
        if labels.size * classes != outputs.size:
            raise ValueError(
                "The labels do not fit the loss. Expected one class number "
                f"per output of shape {outputs.shape}. Received: labels of "
                f"shape {labels.shape} (one-hot labels go with "
                "CategoricalCrossentropy)"
            )
    elif labels.size != outputs.size and keras_internals.is_keras_loss(loss):
        try:
            keras.losses.get(loss)(labels, outputs)
        except Exception as error:
            raise ValueError(
                "The labels do not fit the loss. Expected the shape of the "
                f"outputs, {outputs.shape}. Received: labels of shape "
                f"{labels.shape} (class numbers go with "
                f"SparseCategoricalCrossentropy): {error}"
            ) from error


def soften(losses, outputs, temperature):
    """Returns the outputs that logits / temperature would give.

    Probabilities are softened through their logarithms, which differ from the
    logits only by a constant per example. Outputs whose loss is not a
    cross-entropy are returned unchanged.

    Args:
        losses: List of the loss of each output, as
            `output_losses.by_output` returns.
        outputs: Tensor, or a structure of them.
        temperature: Float > 0.
    """
    if temperature == 1.0:
        return outputs
    flat = keras.tree.flatten(outputs)
    pairs = zip(losses, flat, strict=True)
    found = [_soften(loss, z, temperature) for loss, z in pairs]
    return keras.tree.pack_sequence_as(outputs, found)


def _soften(loss, z, temperature):
    logits = loss and keras_internals.reads_logits(loss)
    if logits is None:
        return z
    if logits:
        return z / temperature
    tiny = keras.backend.epsilon()
    p = tf.clip_by_value(z, tiny, 1 - tiny)
    if z.shape[-1] == 1:
        return tf.sigmoid((tf.math.log(p) - tf.math.log1p(-p)) / temperature)
    return tf.nn.softmax(tf.math.log(p) / temperature)


def neg_logit(loss):
    """Returns a loss function: minus the mean logit of the true class.

    FORCE's released code differentiates it for scores, though it trains on the
    cross-entropy of the same logits. `loss` is that cross-entropy, and decides
    whether labels are class numbers or one-hot.
    """
    if keras.tree.is_nested(loss) or not keras_internals.reads_logits(loss):
        raise ValueError(
            "Expected one cross-entropy that reads logits (from_logits=True) "
            f"for the objective 'neg_logit'. Received: loss={shown(loss)}"
        )
    sparse = keras_internals.wants_integers(loss)

    def mean(y_true, y_pred, sample_weight=None):
        classes = y_pred.shape[-1]
        if sparse:
            y_true = tf.reshape(y_true, tf.shape(y_pred)[:-1])
            y_true = tf.one_hot(tf.cast(y_true, tf.int32), classes)
        true = tf.reduce_sum(tf.cast(y_true, y_pred.dtype) * y_pred, axis=-1)
        if sample_weight is not None:
            true *= tf.cast(sample_weight, true.dtype)
        return -tf.reduce_mean(true)

    return mean
