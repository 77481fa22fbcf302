"""`Masked`: the layer wrapper that holds masks.

It is the only owner of mask state. `kprune.masking.wrapping` adds it to models,
sets its masks and removes it.
"""

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from kprune.masking.weight_wrapper import WeightWrapper
from kprune.runtime import keras_internals
from kprune.runtime.words import shown


class MaskConstraint(keras.constraints.Constraint):
    """A constraint that zeroes pruned entries, after the variable's own one.

    Keras' optimizers apply a variable's constraint after each update, so that
    momentum, weight decay or Muon's orthogonalization cannot move a pruned
    weight off zero.

    Args:
        mask: The weight's mask variable. All wrappers of a shared weight use
            the same one.
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
    """A layer wrapper that makes its layer compute with pruned weights.

    The layer runs with `where(mask, w, 0)` in place of each prunable weight
    `w`, so outputs and gradients are those of the sparse network. A constraint
    on the variables keeps the stored values at exactly zero too, unless
    `keep_pruned_values` is set.

    Args:
        layer: A Keras layer or model. Each prunable, trainable weight in it
            gets a mask.
        keep_pruned_values: Whether pruned entries keep their stored values, for
            methods that may restore them. Defaults to `False`.
        dense_gradients: Whether pruned entries get the gradients that they
            would have if they were kept, for methods that train pruned entries
            (with `keep_pruned_values`) or read the optimizer's momentum.
            Defaults to `False`: their gradients are zero.
        masked: Names of the weights to mask, relative to the layer. Defaults
            to all prunable ones.
        notes: Dict from such a name to why a pruning skipped the weight.
        **kwargs: Arguments of `keras.layers.Layer`, such as `name`.

    Example:

    >>> layer = kprune.Masked(keras.layers.Dense(4))
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        keep_pruned_values: bool = False,
        dense_gradients: bool = False,
        masked: Iterable[str] | None = None,
        notes: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(layer, **kwargs)
        self.keep_pruned_values = keep_pruned_values
        self.dense_gradients = dense_gradients
        # Set in `__dict__` to bypass Keras' tracking of containers.
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
                # Two wrapped layers share this weight's layer.
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
        # Names fix the choice: a model saved after a layer was frozen must
        # load with the same masks.
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
        if "live" in options:  # The name in configs of kprune 0.1.
            options["keep_pruned_values"] = options.pop("live")
        return super()._around(layer, options, custom_objects)

    def set_pruned_behavior(
        self, keep_pruned_values: bool, dense_gradients: bool
    ) -> None:
        """Sets how pruned entries behave; the arguments are the constructor's.

        A training step that is already traced does not change: retrace it with
        `model.make_train_function(force=True)`.
        """
        self.keep_pruned_values = keep_pruned_values
        self.dense_gradients = dense_gradients
        for variable, _ in self._pairs:
            variable.constraint.keep_pruned_values = keep_pruned_values

    def mask_of(
        self,
    ) -> dict[int, tuple[keras.Variable, bool, str | None]]:
        """Returns (mask variable, `keep_pruned_values`, note) by the id of the
        masked variable; an empty dict before the wrapper is built."""
        if self._pairs is None:
            return {}
        return {
            id(variable): (mask, self.keep_pruned_values, self.notes.get(name))
            for name, (variable, mask) in zip(
                self.masked, self._pairs, strict=True
            )
        }


def _refuse_other_weights(layer):
    """Makes a masked layer's `enable_lora` and `quantize` raise before they
    change anything, since they would bypass or replace its masked weights."""
    to_float8 = getattr(layer, "quantize", None)

    def enable_lora(*args, **kwargs):
        del args, kwargs
        raise ValueError(
            f"LoRA cannot be enabled on {layer.name!r}, which has a mask: what "
            f"it adds would not be pruned. {_STRIP}"
        )

    def quantize(mode=None, type_check=True, config=None):
        if mode != "float8":  # That mode keeps the weights in floating point.
            raise ValueError(
                f"{layer.name!r} has a mask and cannot be quantized: integers "
                f"would take the place of the weights. {_STRIP} Or call "
                f"`kprune.quantize`. Received: mode={shown(mode)}"
            )
        return to_float8(mode, type_check=type_check, config=config)

    # Set in the instance's `__dict__`, so that copies do not have them.
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
    """Returns `where(mask, w)` with the gradient of `w`. The value is exact:
    the sums are w + (w - w) and w + (0 - w)."""
    return w + tf.stop_gradient(where(mask, w) - w)
