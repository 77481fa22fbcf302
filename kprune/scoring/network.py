"""The scored part of a model: its weights and precision."""

import keras
import numpy as np
import tensorflow as tf

from kprune.masking import precision, weights
from kprune.runtime import checks, keras_internals
from kprune.scoring.derivatives import Derivatives, at_least_float32
from kprune.scoring.inputs import LayerInputs


def excluded(view, exclude):
    """Returns the names of the weights that match one of some patterns.

    Args:
        view: A `weights.View` of a Keras model, or the model.
        exclude: Names of weights or layers, or regular expressions.

    Raises:
        ValueError: If a pattern matches no weight.
    """
    found = weights.prunable(view)
    names = []
    for pattern in checks.patterns("exclude", exclude):
        names += weights.matched(pattern, found, "weight in `exclude`")
    return names


class Network:
    """The weights of a model, and the network that computes with them.

    Args:
        model: A built Keras model, wrapped or not, or a `weights.View` of it.
        exclude: Names of prunable weights to leave out.
        precision: As in `kprune.ScoringConfig`.

    Attributes:
        weights, masks, variables, layouts: Dicts by name of the prunable
            weights that are not excluded; `weights` in float32 or wider.
        others: Dict by path of the values of all other trainable variables.
        dtype: String, the dtype that the loss is computed in.
        half: Whether part of the network computes in float16.
    """

    def __init__(self, model, exclude, precision):
        view = weights.find(model)
        model = view.model
        found = {
            name: w
            for name, w in weights.prunable(view).items()
            if name not in exclude
        }
        computes_in = {
            layer.compute_dtype for layer in keras_internals.all_layers(model)
        }
        self._model = model
        self._copy_in = _dtype_of_copy(computes_in, precision)
        self._mask_variables = [
            w.mask for w in found.values() if w.mask is not None
        ]
        self.dtype = self._copy_in or (
            "float64" if "float64" in computes_in else "float32"
        )
        self.half = self._copy_in is None and "float16" in computes_in
        self.layouts = {name: w.layout for name, w in found.items()}
        self.variables = {name: w.variable for name, w in found.items()}
        self._other_variables = _others(model, self.variables)
        self.weights = self._values(self.variables)
        self.others = self._values(self._other_variables)
        self.masks = {
            name: np.broadcast_to(True, w.layout.shape)  # Takes no memory.
            if w.mask is None
            else keras.ops.convert_to_numpy(w.mask)
            for name, w in found.items()
        }

    @property
    def normalizes(self):
        """Whether the model has a trainable batch normalization."""
        return any(
            isinstance(layer, keras.layers.BatchNormalization)
            and layer.trainable
            for layer in keras_internals.all_layers(self._model)
        )

    def derivatives(self, loss, scoring):
        """Returns the `Derivatives` of a loss of the network."""
        network, twin_of, masks, twin = self._computing()
        variables = [
            *self.variables.values(),
            *self._other_variables.values(),
        ]
        variables = [twin_of(v) for v in variables]
        return Derivatives(
            network,
            variables,
            masks,
            loss,
            batch_statistics=scoring.batch_norm == "train",
            dropout=scoring.dropout,
            added_losses=scoring.added_losses,
            half=self.half,
            strategy=self._model.distribute_strategy,
            compiled=scoring.compiled,
            twin=twin,
        )

    def inputs(self, scoring):
        """Returns the `LayerInputs` of the network."""
        network, twin_of, masks, twin = self._computing()
        return LayerInputs(
            network,
            {name: twin_of(v) for name, v in self.variables.items()},
            masks,
            self._model.distribute_strategy,
            scoring.compiled,
            twin,
        )

    def _computing(self):
        """Returns the network that computes, the model or a copy in another
        precision; a function from the model's variables to the network's; its
        mask variables; and the copy or `None`."""
        if self._copy_in is None:
            return self._model, lambda v: v, self._mask_variables, None
        twin, twin_of = precision.copy_in(self._model, self._copy_in)
        return twin, twin_of, [], twin

    def _values(self, variables):
        values = {}
        for name, variable in variables.items():
            value = at_least_float32(tf.convert_to_tensor(variable.value))
            values[name] = tf.cast(value, self._copy_in or value.dtype)
        return values


def _dtype_of_copy(computes_in, precision):
    """Returns the dtype of the copy to compute on, `None` for no copy."""
    if precision == "float64":
        return None if computes_in == {"float64"} else "float64"
    half = computes_in & {"float16", "bfloat16"}
    return "float32" if half and precision != "policy" else None


def _others(model, variables):
    """Returns the trainable variables not in `variables`, by path."""
    known = {id(v) for v in variables.values()}
    found = {}
    for variable in model.trainable_variables:
        if id(variable) not in known:
            name = variable.path
            while name in found or name in variables:
                name += "'"
            found[name] = variable
    return found
