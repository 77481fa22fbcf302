"""The teacher's part of a student's loss."""

import functools

import keras
import tensorflow as tf

from kprune.runtime import keras_internals
from kprune.training import soft_targets
from kprune.training.taps import Taps


class InnerPairs:
    """Pairs of layers of student and teacher with features or attention to
    compare.

    Args:
        student, teacher: Keras models.
        features, attention: Dicts from layers of the student to layers of the
            teacher.
        weights: Pair of floats >= 0, the factors of the summed distances of
            features and of attention.
    """

    def __init__(self, student, teacher, features, attention, weights):
        self._pairs = [*features.items(), *attention.items()]
        counts = len(features), len(attention)
        which = counts[0] * [False] + counts[1] * [True]
        own, given = zip(*self._pairs, strict=True) if which else ((), ())
        self.student = Taps(student, own, which)
        self.teacher = Taps(teacher, given, which)
        self._weights = [weights[attention] for attention in which]
        self._maps = [
            _is_map(names, attention, pair)
            for names, attention, *pair in zip(
                self._pairs,
                which,
                self.student.scores,
                self.teacher.scores,
                strict=True,
            )
        ]

    def loss(self, seen, told, sample_weight):
        """Returns the weighted sum of the distances of recorded outputs."""
        self.student.check(seen)
        self.teacher.check(told)
        total = 0.0
        for i, (name, _) in enumerate(self._pairs):
            if self._maps[i]:
                _check_picture(seen[i], told[i], name)
                distance = soft_targets.attention_distance
            else:
                what = f"shapes at layer {name!r}"
                soft_targets.check_alike(seen[i], told[i], what)
                distance = soft_targets.feature_distance
            found = _mean(distance, seen[i], told[i], sample_weight)
            total += self._weights[i] * found
        return total


class OutputPairs:
    """The outputs of a student and a teacher.

    Args:
        student, teacher: Keras models.
        temperature: Float > 0.
        kind: One of `soft_targets.OUTPUTS`, or `None` to infer each kind.
    """

    def __init__(self, student, teacher, temperature, kind=None):
        self._student, self._teacher = student, teacher
        self._temperature, self._kind = temperature, kind
        if all(map(keras_internals.is_graph, (student, teacher))):
            self._check(student.outputs, teacher.outputs)

    def loss(self, y_pred, targets, sample_weight):
        """Returns the sum of the distances of all outputs."""
        self._check(y_pred, targets)
        flat = [keras.tree.flatten(one) for one in (y_pred, targets)]
        each = _by_output(sample_weight, len(flat[0]))
        kinds = self._kinds(y_pred, targets)
        total = 0.0
        for pair, own, given, weight in zip(kinds, *flat, each, strict=True):
            distance = functools.partial(
                soft_targets.output_distance,
                kinds=pair,
                temperature=self._temperature,
            )
            total += _mean(distance, own, given, weight)
        return total

    def _check(self, y_pred, targets):
        what = f"outputs of model {self._student.name!r}"
        soft_targets.check_alike(y_pred, targets, what)

    def _kinds(self, y_pred, targets):
        """Returns a pair of kinds (student, teacher) for each output."""
        if self._kind is not None:
            return [2 * (self._kind,)] * len(keras.tree.flatten(y_pred))
        own = soft_targets.kinds_of(self._student, y_pred)
        given = soft_targets.kinds_of(self._teacher, targets)
        return [
            soft_targets.check_kinds(pair, self._student.name)
            for pair in zip(own, given, strict=True)
        ]


def _mean(distance, own, given, weight):
    given = keras.ops.stop_gradient(given)
    return soft_targets.Mean(distance)(given, own, weight)


def _by_output(sample_weight, count):
    """Returns a list of the sample weights, or `None`, of each output."""
    flat = keras.tree.flatten(sample_weight)
    if len(flat) not in (1, count):
        raise ValueError(
            f"Expected one sample weight for all {count} outputs, or one for "
            f"each. Received: {len(flat)}"
        )
    return flat if len(flat) == count else flat * count


def of_examples(sample_weight):
    """Returns the sample weights if there is one per example, else `None`."""
    flat = keras.tree.flatten(sample_weight)
    single = len(flat) == 1 and tf.is_tensor(flat[0])
    return flat[0] if single and len(flat[0].shape) == 1 else None


def _is_map(names, attention, scores):
    """Returns whether attention is compared as maps of image features; raises
    `ValueError` if only one of two layers has scores."""
    if scores[0] != scores[1]:
        raise ValueError(
            f"Layers {names[0]!r} and {names[1]!r} have no attention of one "
            "kind. Expected two of `MultiHeadAttention`, or two that give "
            "pictures."
        )
    return attention and not scores[0]


def _check_picture(own, given, name):
    """Raises `ValueError` unless outputs are maps of the same size."""
    places = [tuple(x.shape[1:-1]) for x in (own, given)]
    if not places[0] or places[0] != places[1]:
        raise ValueError(
            f"Expected pictures of one size at layer {name!r}, whose attention "
            f"is compared. Received shapes: {own.shape} and {given.shape}"
        )
