"""Adds penalties to variables and removes them again."""

from typing import Any

import keras

from kprune.runtime import keras_internals


class Added(keras.regularizers.Regularizer):
    """Adds a subclass's `penalty` to a variable's `own` regularizer."""

    def __init__(
        self, own: keras.regularizers.Regularizer | None = None
    ) -> None:
        self.own = own

    def penalty(self, w: Any) -> Any:
        """Returns the penalty of a variable's value, a scalar tensor."""
        raise NotImplementedError

    def __call__(self, w: Any) -> Any:
        value = self.penalty(keras.ops.convert_to_tensor(w))
        return value if self.own is None else self.own(w) + value


def attach(model, added):
    """Adds penalties to the training loss of a compiled model.

    Replaces penalties of the same class that an interrupted training left.

    Args:
        model: A compiled Keras model.
        added: List of pairs (variable, `Added`).
    """
    for variable, one in added:
        own = variable.regularizer
        while isinstance(own, type(one)):
            own = own.own
        one.own = own
        variable.regularizer = one
    _trace_anew(model)


def take_off(model, added):
    """Removes the penalties of `attach`; keeps those added since."""
    for variable, one in added:
        variable.regularizer = _without(variable.regularizer, one)
    _trace_anew(model)


def _without(regularizer, one):
    """Returns a regularizer without the penalty `one`."""
    if regularizer is one:
        return one.own
    if isinstance(regularizer, Added):
        regularizer.own = _without(regularizer.own, one)
    return regularizer


def _trace_anew(model):
    # A traced train step would continue with the old loss.
    keras_internals.forget_compiled_functions(model)
    model.make_train_function()
