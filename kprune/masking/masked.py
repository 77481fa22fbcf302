"""`Masked`: the layer wrapper that holds masks.

It is the only owner of mask state. `kprune.masking` puts it on, fills it and
takes it off.
"""

import keras
import tensorflow as tf

from kprune.masking.weight_wrapper import WeightWrapper
from kprune.runtime import keras_internals
from kprune.runtime.words import shown


class MaskConstraint(keras.constraints.Constraint):
    """Sets pruned entries of a variable to zero, after its own constraint.

    Keras' optimizers apply a variable's constraint after each update, so that
    momentum, weight decay or Muon's orthogonalization cannot move a pruned
    weight off zero.

    Args:
        mask: The mask variable of the weight. There is one, however many
            wrappers the weight is reached through.
        constraint: The weight's own constraint, or `None`.
        keep_pruned_values: Whether pruned entries keep their stored values.
    """

    def __init__(self, mask, constraint=None, keep_pruned_values=False):
        self.mask = mask
        self.constraint = constraint
        self.keep_pruned_values = keep_pruned_values

    def __call__(self, w):
        value = w if self.constraint is None else self.constraint(w)
        value = keras.ops.convert_to_tensor(value)
        if self.keep_pruned_values:
            return value
        for average in keras_internals.averages(w):
            average.assign(where(self.mask, average.value))
        return where(self.mask, value)


@keras.saving.register_keras_serializable("kprune")
class Masked(WeightWrapper):
    """Wraps a layer of any kind so that it computes with pruned weights.

    The layer runs with `where(mask, w, 0)` in place of each prunable weight
    `w`, so outputs and gradients are those of the sparse network. The stored
    values are held at exactly zero too, by a constraint on the variables,
    unless `keep_pruned_values` is set.

    Args:
        layer: A Keras layer, a whole model included. All weights below it
            that are prunable and not frozen get a mask of their own.
        keep_pruned_values: Whether pruned entries keep their stored values, for
            methods that may bring them back. Defaults to `False`.
        dense_gradients: Whether the optimizer sees the gradients that pruned
            entries would have if they were kept, as it needs for methods that
            train what is pruned (with `keep_pruned_values`) or that look at its
            momentum. Defaults to `False`: they are zero.
        masked: Names of the weights to mask, relative to the layer. Defaults
            to all that are prunable.
        notes: Dict from such a name to why a pruning left the weight out.

    Example:

    >>> layer = kprune.Masked(keras.layers.Dense(4))
    """

    def __init__(
        self,
        layer,
        keep_pruned_values=False,
        dense_gradients=False,
        masked=None,
        notes=None,
        **kwargs,
    ):
        super().__init__(layer, **kwargs)
        self.keep_pruned_values = keep_pruned_values
        self.dense_gradients = dense_gradients
        # Plain containers in `__dict__`, past Keras' tracking.
        self.__dict__["masked"] = None if masked is None else list(masked)
        self.__dict__["notes"] = dict(notes or {})
        self._build_if_made()

    def _names(self):
        return self.masked

    def _attach(self, found):
        pairs, owners = [], []
        chosen = self._to_mask(found)
        for weight in chosen:
            owners.append(weight.layer)
            own = weight.variable.constraint
            if isinstance(own, MaskConstraint):
                # A layer that is held by two others, wrapped both.
                pairs.append((weight.variable, own.mask))
                continue
            mask = self.add_weight(
                shape=weight.variable.shape,
                initializer="ones",
                dtype="bool",
                trainable=False,
                name=f"{weight.name.replace('/', '_')}_mask",
            )
            pairs.append((weight.variable, mask))
            weight.variable.constraint = MaskConstraint(
                mask, own, self.keep_pruned_values
            )
        # By name from here on: a model saved after a layer was frozen must
        # come back with the masks that it had.
        self.__dict__["masked"] = [weight.name for weight in chosen]
        for owner in owners:
            _refuse_other_weights(owner)
        return pairs

    def _to_mask(self, found):
        """Returns the weights of the layer that get a mask."""
        if self.masked is None:
            return [weight for weight in found if weight.skipped is None]
        return [weight for weight in found if weight.name in self.masked]

    def _shown(self, variable, mask):
        show = _straight_through if self.dense_gradients else where
        return show(mask, variable.value)

    def _assigned(self, variable, mask, value):
        shown = where(mask, value)
        return shown, value if variable.constraint.keep_pruned_values else shown

    def _options(self):
        return {
            "keep_pruned_values": self.keep_pruned_values,
            "dense_gradients": self.dense_gradients,
            "masked": self.masked,
            "notes": self.notes,
        }

    @classmethod
    def _around(cls, layer, options, custom_objects=None):
        if "live" in options:  # As kprune 0.1 wrote it.
            options["keep_pruned_values"] = options.pop("live")
        return super()._around(layer, options, custom_objects)

    def set_pruned_behavior(self, keep_pruned_values, dense_gradients):
        """Sets what happens to pruned entries, as in the constructor.

        A training step that is traced already goes on as before: let Keras
        make it anew.
        """
        self.keep_pruned_values = keep_pruned_values
        self.dense_gradients = dense_gradients
        for variable, _ in self._pairs:
            variable.constraint.keep_pruned_values = keep_pruned_values

    def mask_of(self):
        """Returns (mask variable, live, note) by the id of the variable."""
        if self._pairs is None:
            return {}
        return {
            id(variable): (mask, self.keep_pruned_values, self.notes.get(name))
            for name, (variable, mask) in zip(
                self.masked, self._pairs, strict=True
            )
        }


def _refuse_other_weights(layer):
    """Lets a layer with a mask refuse what would put other variables in the
    place of its weights, before anything is changed."""
    to_float8 = getattr(layer, "quantize", None)

    def enable_lora(*args, **kwargs):
        del args, kwargs
        raise ValueError(
            f"LoRA cannot be enabled on {layer.name!r}, which has a mask: what "
            f"it adds would not be pruned. {_STRIP}"
        )

    def quantize(mode=None, type_check=True, config=None):
        if mode != "float8":  # Which trains on with the weights as they are.
            raise ValueError(
                f"{layer.name!r} has a mask and cannot be quantized: integers "
                f"would take the place of the weights. {_STRIP} Or call "
                f"`kprune.quantize`. Received: mode={shown(mode)}"
            )
        return to_float8(mode, type_check=type_check, config=config)

    # In `__dict__`, past Keras' tracking, and left behind by every copy.
    for refusing in (enable_lora, quantize):
        if hasattr(type(layer), refusing.__name__):
            layer.__dict__[refusing.__name__] = refusing


_STRIP = "Expected a model without masks: take `kprune.strip(model)` first."


def where(mask, w):
    """Returns the tensor `w` with zeros where the mask is False."""
    # Not a product: 0 * NaN is NaN.
    mask = tf.convert_to_tensor(mask)
    return tf.where(mask, w, tf.zeros([], w.dtype))


def _straight_through(mask, w):
    """Returns `where(mask, w)` with the gradient of `w`, which is exact: the
    sums are w + (w - w) and w + (0 - w)."""
    return w + tf.stop_gradient(where(mask, w) - w)
