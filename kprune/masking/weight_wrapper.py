"""A wrapper that substitutes the weights its layer computes with.

`kprune.Masked` and `kprune.learned.Reparametrized` are subclasses.
"""

import keras

from kprune.masking import weights
from kprune.runtime import keras_internals


class WeightWrapper(keras.layers.Wrapper):
    """Base class of layers that wrap a layer and substitute its weights.

    In all other respects, from its name to its losses, the wrapper behaves as
    the layer does.

    A subclass defines `_names`, `_attach`, `_shown`, `_assigned` and
    `_options`, and ends its constructor with `_build_if_made`.
    """

    def __init__(self, layer, **kwargs):
        kwargs.setdefault("name", layer.name)
        kwargs.setdefault("trainable", layer.trainable)
        # The wrapped layer casts, by its own policy. This one must hand it
        # the variables in full precision and the inputs as they come.
        kwargs["dtype"] = "float32"
        kwargs["autocast"] = False
        super().__init__(layer, **kwargs)
        # Once built, pairs (variable, its substitute's state). Set in
        # `__dict__` to bypass Keras' tracking: the layer owns the variables.
        self.__dict__["_pairs"] = None
        self.supports_masking = True
        self._convert_input_args = layer._convert_input_args
        self._allow_non_tensor_positional_args = True
        keras_internals.take_call_signature(self, layer)
        keras_internals.take_rematerialization(self, layer)

    def _names(self):
        """Returns the names of the weights to substitute, relative to the
        layer, or `None` if they are known only once all weights exist."""
        raise NotImplementedError

    def _attach(self, found):
        """Returns pairs (variable, state from which `_shown` substitutes it).

        Args:
            found: The layer's weights, as `weights.find` returns them.
        """
        raise NotImplementedError

    def _shown(self, variable, by):
        """Returns the tensor that the layer sees in place of a variable."""
        raise NotImplementedError

    def _assigned(self, variable, by, value):
        """Returns (the value that the layer sees, the value to store) after
        the layer assigns `value` to a variable in its `call`."""
        raise NotImplementedError

    def _options(self):
        """Returns a config of the constructor's arguments except the layer."""
        raise NotImplementedError

    def _build_if_made(self):
        """Builds the wrapper if the layer's weights exist and it is unbuilt."""
        if self._pairs is not None:
            return
        names = self._names()
        if names is None:
            made = _is_built(self.layer)
        else:
            found = weights.find(self.layer, inside_wrapper=True)
            made = self.layer.built and set(names) <= {w.name for w in found}
        if made:
            self.build()

    def __call__(self, *args, **kwargs):
        self._build_if_made()
        if self._pairs is None:
            # A symbolic call builds a layer with any call signature, and
            # sublayers that are marked as built before they are.
            symbolic = keras.tree.map_structure(_symbolic, (args, kwargs))
            self.layer(*symbolic[0], **symbolic[1])
            self.build()
        return super().__call__(*args, **kwargs)

    def build(self, input_shape=None):
        super().build(input_shape)
        found = weights.find(self.layer, inside_wrapper=True)
        self.__dict__["_pairs"] = self._attach(found)
        self.__dict__["_traced"] = keras_internals.traced_layers(self.layer)

    def call(self, *args, **kwargs):
        traced = keras_internals.traced_anew(self.__dict__["_traced"])
        with traced, _Scope(self) as scope:
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
        pass  # Keras sets it on every new layer; the wrapped layer decides.

    def get_build_config(self):
        return {"input_shape": None}

    def build_from_config(self, config):
        self._build_if_made()

    def get_config(self):
        return {**super().get_config(), **self._options()}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        options = dict(config)
        layer = keras.saving.deserialize_keras_object(
            options.pop("layer"), custom_objects
        )
        return cls._around(layer, options, custom_objects)

    @classmethod
    def _around(cls, layer, options, custom_objects=None):
        """Returns a wrapper around a layer, with the options of a config."""
        return cls(layer, **options)

    def __getattr__(self, name):
        # Falls back to the wrapped layer, so that `model.embed.embeddings` in
        # a user's code still works.
        layer = self.__dict__.get("layer")
        if name.startswith("_") or layer is None:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}"
            )
        return getattr(layer, name)


class _Scope(keras.StatelessScope):
    """Substitutes the wrapped layer's variables; leaves all others unchanged.

    A plain `StatelessScope` would hold back the layer's assignments
    (statistics, random state), and could not pass them out of a loop in the
    layer.
    """

    def __init__(self, wrapper):
        shown = [(v, wrapper._shown(v, by)) for v, by in wrapper._pairs]
        super().__init__(shown, collect_losses=True)
        self.assigned = wrapper._assigned
        self.by = {id(v): by for v, by in wrapper._pairs}

    def get_current_value(self, variable):
        value = super().get_current_value(variable)
        if value is None and self.original_scope is not None:
            value = self.original_scope.get_current_value(variable)
        return value

    def add_update(self, update):
        variable, value = update
        if id(variable) in self.by:
            by = self.by[id(variable)]
            shown, value = self.assigned(variable, by, value)
            super().add_update((variable, shown))
        self.__exit__()
        try:
            variable.assign(value)
        finally:
            self.__enter__()


def wrappers(layer, kind):
    """Returns the wrappers of class `kind` in a model, the outermost only."""
    if isinstance(layer, kind):
        return [layer]
    found = {}
    for _, child in weights.children(layer):
        found.update((id(w), w) for w in wrappers(child, kind))
    return list(found.values())


def _is_built(layer):
    return layer.built and all(
        _is_built(child) for _, child in weights.children(layer)
    )


def _symbolic(x):
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        dtype = keras.backend.standardize_dtype(x.dtype)
        return keras.KerasTensor(x.shape, dtype)
    return x
