"""What a classifier takes examples for, and whether it is right."""

import keras
import numpy as np

from kprune.runtime import keras_internals
from kprune.scoring import losses


class Classifier:
    """Reads the predictions of models of one kind on the same examples.

    The class is the largest output. Of a single output it is 1 above the
    border: 0 for logits, 0.5 for probabilities, as the loss says.

    Args:
        model: A compiled model, of which all others are copies.
        examples: `Examples`.

    Attributes:
        classes: Array of integers, the labels of all examples.

    Raises:
        ValueError: If this is no classifier, or the labels are none of it.
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
        """Returns the classes that a model takes examples for.

        The model is in inference mode, the examples are as they are: without
        dropout, batch statistics and augmentation.

        Args:
            model: A model like the first one.
            places: Array of integers. Defaults to all examples.

        Returns:
            Array of integers.
        """
        if places is None:
            places = np.arange(len(self._examples))
        found = model.predict(self._examples.inputs(places), verbose=0)
        found = np.asarray(found, "float32")
        if self._border is None:
            return found.argmax(-1)
        return (found[:, 0] > self._border).astype(np.int64)

    def right(self, model, places):
        """Returns a boolean array: which examples a model gets right."""
        return self.predictions(model, places) == self.classes[places]


def class_numbers(y, columns):
    """Returns labels as class numbers.

    Args:
        y: Array of class numbers, of shape `(n,)` or `(n, 1)`, or of one-hot
            rows of shape `(n, columns)`.
        columns: Integer, how many outputs the classifier has. Of one output
            the classes are 0 and 1.

    Returns:
        Array of integers of shape `(n,)`.

    Raises:
        ValueError: If they are neither, or a number is out of range.
    """
    if columns > 1 and y.shape[1:] == (columns,):
        ties = (y == y.max(axis=1, keepdims=True)).sum(axis=1) > 1
        if ties.any():
            raise ValueError(
                "Expected one class for each example. Received labels with "
                f"several largest entries, as of example {ties.argmax()}: "
                f"{y[ties.argmax()]}"
            )
        return y.argmax(axis=1)
    if y.shape[1:] not in ((), (1,)):
        raise ValueError(
            "Expected labels to be class numbers, or one-hot rows of "
            f"{columns}, one for each example. Received: shape {y.shape}"
        )
    numbers = y.reshape(len(y))
    last = max(columns, 2) - 1
    if not np.isin(numbers, np.arange(last + 1)).all():
        raise ValueError(
            f"Expected labels to be whole numbers from 0 to {last}. "
            f"Received: values from {numbers.min()} to {numbers.max()}"
        )
    return numbers.astype(np.int64)


def _outputs(model, examples):
    """Returns what a model makes of one example, an array of one row."""
    first = keras.tree.map_structure(lambda a: a[:1], examples.x)
    with keras.StatelessScope():  # A stateful layer stays as it is.
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
    """Returns from which output on the class is 1."""
    loss = losses.compiled_loss(model)
    logits = None
    if not keras.tree.is_nested(loss) and keras_internals.is_keras_loss(loss):
        logits = keras_internals.reads_logits(loss)
    if logits is None:
        raise ValueError(
            "What a single output says of the class is told by a binary "
            "cross-entropy of Keras, which reads a logit or a probability. "
            f"Received: loss={loss!r}. Or give the model an output per class."
        )
    return 0.0 if logits else 0.5
