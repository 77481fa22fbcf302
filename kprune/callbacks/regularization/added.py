"""Adds penalties to variables and removes them again."""

import keras

from kprune.runtime import keras_internals


class Added(keras.regularizers.Regularizer):
    """Adds a `penalty`, which a subclass defines, to a variable's `own`."""

    def __init__(self, own=None):
        self.own = own

    def penalty(self, w):
        """Returns the penalty of a variable's value, a scalar tensor."""
        raise NotImplementedError

    def __call__(self, w):
        value = self.penalty(keras.ops.convert_to_tensor(w))
        return value if self.own is None else self.own(w) + value


def attach(model, added):
    """Adds pairs (variable, `Added`) to the loss that a compiled model trains
    on. What an interrupted training left of the same class is replaced."""
    for variable, one in added:
        own = variable.regularizer
        while isinstance(own, type(one)):
            own = own.own
        one.own = own
        variable.regularizer = one
    _trace_anew(model)


def take_off(model, added):
    """Takes penalties away again, and leaves those put on since."""
    for variable, one in added:
        variable.regularizer = _without(variable.regularizer, one)
    _trace_anew(model)


def _without(regularizer, one):
    """Returns a regularizer without one of the penalties added to it."""
    if regularizer is one:
        return one.own
    if isinstance(regularizer, Added):
        regularizer.own = _without(regularizer.own, one)
    return regularizer


def _trace_anew(model):
    # A step that is traced already would go on with the loss as it was.
    keras_internals.forget_compiled_functions(model)
    model.make_train_function()
