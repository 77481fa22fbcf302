"""The layer wrapper that holds masks: `Masked`.

It is the only owner of mask state. `kprune.masking` puts it on, fills it and
takes it off.
"""

import keras
import tensorflow as tf

from kprune import keras_internals, weights


class MaskConstraint(keras.constraints.Constraint):
    """Sets pruned entries of a variable to zero, after its own constraint.

    Keras' optimizers apply a variable's constraint after each update, so that
    momentum, weight decay or Muon's orthogonalization cannot move a pruned
    weight off zero.

    Args:
        mask: The mask variable of the weight. There is one, however many
            wrappers the weight is reached through.
        constraint: The weight's own constraint, or `None`.
        live: Whether pruned entries keep their stored values.
    """

    def __init__(self, mask, constraint=None, live=False):
        self.mask = mask
        self.constraint = constraint
        self.live = live

    def __call__(self, w):
        value = w if self.constraint is None else self.constraint(w)
        value = keras.ops.convert_to_tensor(value)
        if self.live:
            return value
        for average in keras_internals.averages(w):
            average.assign(where(self.mask, average.value))
        return where(self.mask, value)


class _MaskedScope(keras.StatelessScope):
    """Shows some variables masked, and leaves all else as it is outside.

    A plain `StatelessScope` would hold back what a layer assigns (statistics,
    random state), and could not hand it out of a loop in the layer.

    Args:
        pairs: The weights to mask, pairs (variable, mask).
        dense_gradients: Whether pruned entries get the gradients that they
            would have if they were kept.
    """

    def __init__(self, pairs, dense_gradients):
        show = _straight_through if dense_gradients else where
        shown = [(v, show(mask, v.value)) for v, mask in pairs]
        super().__init__(shown, collect_losses=True)
        self.masks = {id(v): mask for v, mask in pairs}

    def get_current_value(self, variable):
        value = super().get_current_value(variable)
        if value is None and self.original_scope is not None:
            value = self.original_scope.get_current_value(variable)
        return value

    def add_update(self, update):
        variable, value = update
        mask = self.masks.get(id(variable))
        if mask is not None:
            super().add_update((variable, where(mask, value)))
            if not variable.constraint.live:
                value = where(mask, value)
        self.__exit__()
        try:
            variable.assign(value)
        finally:
            self.__enter__()


@keras.saving.register_keras_serializable("kprune")
class Masked(keras.layers.Wrapper):
    """Wraps a layer of any kind so that it computes with pruned weights.

    The layer runs with `where(mask, w, 0)` in place of each prunable weight
    `w`, so outputs and gradients are those of the sparse network. The stored
    values are held at exactly zero too, by a constraint on the variables,
    unless `live` is set.

    Args:
        layer: A Keras layer, a whole model included. All weights below it
            that are prunable and not frozen get a mask of their own.
        live: Whether pruned entries keep their stored values, for methods
            that may bring them back. Defaults to `False`.
        dense_gradients: Whether the optimizer sees the gradients that pruned
            entries would have if they were kept, as it needs for methods that
            train what is pruned (with `live`) or that look at its momentum.
            Defaults to `False`: they are zero.
        masked: Names of the weights to mask, relative to the layer. Defaults
            to all that are prunable.
        notes: Dict from such a name to why a pruning left the weight out.

    Example:

    >>> layer = kprune.Masked(keras.layers.Dense(4))
    """

    def __init__(
        self,
        layer,
        live=False,
        dense_gradients=False,
        masked=None,
        notes=None,
        **kwargs,
    ):
        kwargs.setdefault("name", layer.name)
        kwargs.setdefault("trainable", layer.trainable)
        # The wrapped layer casts, by its own policy. This one must hand it
        # the variables in full precision and the inputs as they come.
        kwargs["dtype"] = "float32"
        kwargs["autocast"] = False
        super().__init__(layer, **kwargs)
        self.live = live
        self.dense_gradients = dense_gradients
        # Plain containers in `__dict__`, past Keras' tracking: config, and
        # variables that are the layer's own.
        self.__dict__["masked"] = None if masked is None else list(masked)
        self.__dict__["notes"] = dict(notes or {})
        self.__dict__["_masks"] = None  # Once built: pairs (variable, mask).
        self.supports_masking = True
        self._convert_input_args = layer._convert_input_args
        self._allow_non_tensor_positional_args = True
        keras_internals.take_call_signature(self, layer)
        keras_internals.take_rematerialization(self, layer)
        if self._has_weights():
            self.build()

    def _has_weights(self):
        """Whether the weights to mask have been made."""
        if self.masked is None:
            return _is_built(self.layer)
        found = weights.find(self.layer, inside_wrapper=True)
        return set(self.masked) <= {w.name for w in found}

    def __call__(self, *args, **kwargs):
        if self._masks is None:
            if not self._has_weights():
                # A symbolic call builds a layer of any arguments, and layers
                # below that count as built before they are.
                args_, kwargs_ = keras.tree.map_structure(
                    _symbolic, (args, kwargs)
                )
                self.layer(*args_, **kwargs_)
            self.build()
        return super().__call__(*args, **kwargs)

    def build(self, input_shape=None):
        super().build(input_shape)
        self.__dict__["_masks"] = []
        found = weights.find(self.layer, inside_wrapper=True)
        for weight in found:
            if self.masked is None:
                wanted = weight.skipped is None
            else:
                wanted = weight.name in self.masked
            if not wanted:
                continue
            own = weight.variable.constraint
            if isinstance(own, MaskConstraint):
                # A layer that is held by two others, wrapped both.
                self._masks.append((weight.variable, own.mask))
                continue
            mask = self.add_weight(
                shape=weight.variable.shape,
                initializer="ones",
                dtype="bool",
                trainable=False,
                name=f"{weight.name.replace('/', '_')}_mask",
            )
            self._masks.append((weight.variable, mask))
            weight.variable.constraint = MaskConstraint(mask, own, self.live)
        # By name from here on: a model saved after a layer was frozen must
        # come back with the masks that it had.
        masked = {id(variable) for variable, _ in self._masks}
        self.__dict__["masked"] = [
            w.name for w in found if id(w.variable) in masked
        ]

    def call(self, *args, **kwargs):
        with _MaskedScope(self._masks, self.dense_gradients) as scope:
            outputs = self.layer(*args, **kwargs)
        for loss in scope.losses:
            self.add_loss(loss)
        return outputs

    def compute_output_spec(self, *args, **kwargs):
        return self.layer.compute_output_spec(*args, **kwargs)

    def compute_mask(self, inputs, previous_mask=None):
        if not self.layer.supports_masking:
            return None
        return self.layer.compute_mask(inputs, previous_mask)

    @property
    def supports_jit(self):
        return self.layer.supports_jit

    @supports_jit.setter
    def supports_jit(self, value):
        pass  # Keras sets it on every new layer: here the layer decides.

    def let_pruned(self, live, dense_gradients):
        """Sets what happens to pruned entries, as in the constructor.

        A training step that is traced already goes on as before: let Keras
        make it anew.
        """
        self.live = live
        self.dense_gradients = dense_gradients
        for variable, _ in self._masks:
            variable.constraint.live = live

    def mask_of(self):
        """Returns (mask variable, live, note) by the id of the variable."""
        if self._masks is None:
            return {}
        return {
            id(variable): (mask, self.live, self.notes.get(name))
            for name, (variable, mask) in zip(
                self.masked, self._masks, strict=True
            )
        }

    def get_build_config(self):
        return {"input_shape": None}

    def build_from_config(self, config):
        if self._masks is None and self._has_weights():
            self.build()

    def get_config(self):
        return {
            **super().get_config(),
            "live": self.live,
            "dense_gradients": self.dense_gradients,
            "masked": self.masked,
            "notes": self.notes,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return super().from_config(dict(config), custom_objects)

    def __getattr__(self, name):
        # What the wrapper lacks is the layer's: `model.embed.embeddings` in
        # a user's own code goes on working.
        layer = self.__dict__.get("layer")
        if name.startswith("_") or layer is None:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}"
            )
        return getattr(layer, name)


def _is_built(layer):
    return layer.built and all(
        _is_built(child) for _, child in weights.children(layer)
    )


def where(mask, w):
    """Returns the tensor `w` with zeros where the mask is False."""
    # Not a product: 0 * NaN is NaN.
    mask = tf.convert_to_tensor(mask)
    return tf.where(mask, w, tf.zeros([], w.dtype))


def _straight_through(mask, w):
    """Returns `where(mask, w)` with the gradient of `w`, which is exact: the
    sums are w + (w - w) and w + (0 - w)."""
    return w + tf.stop_gradient(where(mask, w) - w)


def _symbolic(x):
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        dtype = keras.backend.standardize_dtype(x.dtype)
        return keras.KerasTensor(x.shape, dtype)
    return x
