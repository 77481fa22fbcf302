"""Computes a classifier's predictions and their correctness."""

import keras
import numpy as np

from kprune.runtime import checks, keras_internals
from kprune.runtime.words import shown
from kprune.scoring import losses


class Classifier:
    """Predicts the classes of some `Examples` with copies of a compiled model.

    The class is the largest output. For a single output it is 1 above the
    threshold: 0 for logits, 0.5 for probabilities, as the loss says.

    Attributes:
        classes: Integer array, the labels of all examples.
    """

    def __init__(self, model, examples):
        keras_internals.check_inputs(model, examples.x)
        self._examples = examples
        outputs = _outputs(model, examples)
        losses.check_labels(model, None, outputs, examples.y[:1])
        columns = outputs.shape[1]
        self._border = _border(model) if columns == 1 else None
        self.classes = class_numbers(examples.y, columns)

    def predictions(self, model, places=None):
        """Returns the predicted classes of examples, by default all, in
        inference mode and without augmentation."""
        if places is None:
            places = np.arange(len(self._examples))
        found = model.predict(self._examples.inputs(places), verbose=0)
        found = np.asarray(found, "float32")
        if self._border is None:
            return found.argmax(-1)
        return (found[:, 0] > self._border).astype(np.int64)

    def right(self, model, places):
        """Returns a boolean array, whether each prediction is correct."""
        return self.predictions(model, places) == self.classes[places]


def class_numbers(y, columns):
    """Returns labels as class numbers of shape `(n,)`.

    Args:
        y: Array of class numbers, or of one-hot rows.
        columns: Integer, the number of outputs. With 1 the classes are 0 and 1.
    """
    if columns > 1 and y.shape[1:] == (columns,):
        ties = (y == y.max(axis=1, keepdims=True)).sum(axis=1) > 1
        first = ties.argmax()
        expected = "one class for each example, not several largest entries, "
        expected += f"as of example {first}"
        checks.require(not ties.any(), "y", y[first], expected)
        return y.argmax(axis=1)
    expected = f"class numbers, or one-hot rows of {columns}, by their shape"
    checks.require(y.shape[1:] in ((), (1,)), "y.shape", y.shape, expected)
    numbers = y.reshape(len(y))
    last = max(columns, 2) - 1
    if not np.isin(numbers, np.arange(last + 1)).all():
        raise ValueError(
            f"Expected labels to be whole numbers from 0 to {last}. "
            f"Received: values from {numbers.min()} to {numbers.max()}"
        )
    return numbers.astype(np.int64)


def _outputs(model, examples):
    first = keras.tree.map_structure(lambda a: a[:1], examples.x)
    with keras_internals.stateless(model):  # Keeps stateful layers unchanged.
        outputs = model(first, training=False)
    several = keras.tree.is_nested(outputs)
    if several or keras.tree.is_nested(examples.y) or outputs.ndim != 2:
        shapes = keras.tree.map_structure(lambda z: tuple(z.shape), outputs)
        raise ValueError(
            "Expected a classifier with one output of shape (batch, classes), "
            f"and one array of labels. Received: outputs of shape {shapes} of "
            f"one example, labels {type(examples.y).__name__}"
        )
    return keras.ops.convert_to_numpy(outputs)


def _border(model):
    """Returns the output above which the class is 1."""
    loss, logits = losses.compiled_loss(model), None
    if not keras.tree.is_nested(loss) and keras_internals.is_keras_loss(loss):
        logits = keras_internals.reads_logits(loss)
    if logits is None:
        raise ValueError(
            "A model with a single output needs Keras' binary cross-entropy, "
            "which defines the predicted class. "
            f"Received: loss={shown(loss)}. Use that loss, or one output per "
            "class."
        )
    return 0.0 if logits else 0.5
