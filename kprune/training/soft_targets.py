"""Distances between a student's and a teacher's outputs and features.

Hinton et al., 2015, https://arxiv.org/abs/1503.02531 (outputs); Romero et al.,
2015, https://arxiv.org/abs/1412.6550 (features); Zagoruyko & Komodakis, 2017,
https://arxiv.org/abs/1612.03928 (attention).
"""

import keras
from keras import ops

from kprune.runtime import keras_internals, output_losses
from kprune.runtime.words import shown

OUTPUTS = (
    "logits",
    "probabilities",
    "binary_logits",
    "binary_probabilities",
    "values",
)
_BY_ACTIVATION = {"softmax": "probabilities", "sigmoid": "binary_probabilities"}


def kinds_of(model, outputs):
    """Returns the kind of each output of a model, one of `OUTPUTS` or `None`.

    The loss of the output decides, or without one the last activation; the
    kind is `None` if neither tells.

    Args:
        model: A Keras model.
        outputs: Its outputs, or their specs, in the structure of a call.
    """
    flat = keras.tree.flatten(outputs)
    losses = [None] * len(flat)
    compiled = model.compiled and keras_internals.compiled_loss(model)
    if compiled:
        losses = output_losses.by_output(model, compiled, outputs)
    names = [None] * len(flat)
    if keras_internals.is_graph(model):
        last = keras_internals.last_layers(model)
        names = [keras_internals.activation_name(layer) for layer in last]
    return [
        _BY_ACTIVATION.get(name) if loss is None else _by_loss(loss, output)
        for loss, name, output in zip(losses, names, flat, strict=True)
    ]


def _by_loss(loss, output):
    logits = keras_internals.reads_logits(loss)
    if logits is None:
        return "values"
    loss = keras.losses.get(loss)
    name = getattr(loss, "__name__", type(loss).__name__)
    binary = output.shape[-1] == 1 or "binary" in name.lower()
    return f"{'binary_' * binary}{'logits' if logits else 'probabilities'}"


def output_distance(student, teacher, kinds, temperature):
    """Returns the distance of outputs from a teacher's, over the last axis.

        T^2 KL(softmax(z_teacher / T) || softmax(z_student / T))

    for classes; for binary units the same with two outcomes, averaged over the
    units; for values the mean squared difference, without T.

    Args:
        student, teacher: Tensors of the same shape.
        kinds: Pair of strings, the kind of each, of `OUTPUTS`.
        temperature: Float > 0, T.
    """
    if kinds[0] == "values":
        return ops.mean(ops.square(teacher - student), axis=-1)
    q, p = (
        log_probabilities(kind, outputs, temperature)
        for kind, outputs in zip(kinds, (student, teacher), strict=True)
    )
    divergence = ops.sum(ops.exp(p) * (p - q), axis=-1)
    if kinds[0].startswith("binary"):
        divergence = ops.mean(divergence, axis=-1)
    return temperature**2 * divergence


def log_probabilities(kind, outputs, temperature=1.0):
    """Returns softened log-probabilities, over the last axis.

    For binary units, an axis of two outcomes is added.

    Args:
        kind: One of `OUTPUTS`, except `"values"`.
        outputs: Tensor.
        temperature: Float > 0.
    """
    if not kind.endswith("logits"):
        tiny = keras.backend.epsilon()
        outputs = ops.log(ops.clip(outputs, tiny, 1.0 - tiny))
        if kind.startswith("binary"):
            outputs -= ops.log1p(-ops.exp(outputs))
    z = outputs / temperature
    if kind.startswith("binary"):
        return ops.stack([ops.log_sigmoid(z), ops.log_sigmoid(-z)], axis=-1)
    return ops.log_softmax(z, axis=-1)


def feature_distance(student, teacher):
    """Returns the mean squared difference of features, per example."""
    square = ops.square(student - teacher)
    return ops.mean(square, axis=tuple(range(1, len(square.shape))))


def attention_distance(student, teacher):
    """Returns the squared distance of two attention maps, per example:

        || a_student / ||a_student|| - a_teacher / ||a_teacher|| ||^2

    where a is the map of the sums of squared features over the channels.
    """
    maps = [_attention(student), _attention(teacher)]
    return ops.sum(ops.square(maps[0] - maps[1]), axis=-1)


def _attention(features):
    total = ops.sum(ops.square(features), axis=-1)
    flat = ops.reshape(total, (ops.shape(total)[0], -1))
    return ops.normalize(flat, axis=-1, order=2)


def check_alike(student, teacher, what):
    """Raises `ValueError` unless a teacher's tensors match a student's in
    number and in shape without the batch.

    Args:
        student, teacher: Tensors or specs, or structures of them.
        what: String for the message, such as `"outputs of model 'net'"`.
    """
    shapes = [
        [tuple(x.shape[1:]) for x in keras.tree.flatten(one)]
        for one in (student, teacher)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"Expected a teacher with the {what}, {shown(shapes[0])} without "
            f"the batch. Received: {shown(shapes[1])}"
        )


def check_kinds(kinds, name):
    """Returns the kinds of a student's and a teacher's output, if comparable.

    An unknown kind of the teacher defaults to the student's.

    Args:
        kinds: Pair of kinds, of `OUTPUTS` or `None`.
        name: String, the name of the student.

    Raises:
        ValueError: If the student's kind is unknown, or they differ.
    """
    own, given = kinds
    if own is None:
        raise ValueError(
            f"The kind of model {name!r}'s outputs is unknown, because it is "
            'compiled without a loss. Pass `outputs="logits"`, or another of '
            f"{', '.join(OUTPUTS[1:])}."
        )
    given = given or own
    families = [one.replace("probabilities", "logits") for one in (own, given)]
    if families[0] != families[1]:
        raise ValueError(
            f"Expected a teacher that gives what model {name!r} gives, {own}. "
            f"Received: {given}, as its loss has it"
        )
    return own, given


class Mean(keras.losses.Loss):
    """The mean distance over the examples, reduced as Keras reduces a loss.

    Sample weights and padding masks apply, and the mean is divided among
    replicas.

    Args:
        distance: Function of (student, teacher).
    """

    def __init__(self, distance):
        super().__init__(name="distillation", dtype="float32")
        self._distance = distance

    def call(self, y_true, y_pred):
        return self._distance(y_pred, y_true)
