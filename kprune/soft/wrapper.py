"""The layer wrapper that computes with functions of the weights.

Where `kprune.Masked` shows a layer `where(mask, w, 0)`, `Reparametrized`
shows it `part(w)`: a part is a small layer with variables of its own, such as
a soft threshold or a gate.
"""

import keras

from kprune import keras_internals, weights


class Part(keras.layers.Layer):
    """A differentiable function of one weight of a layer.

    A subclass makes its variables in `build`, from the weight's shape, and
    returns a tensor of that shape from `call`.
    """

    def __init__(self, **kwargs):
        # Whatever half precision the layer computes in, thresholds and gates
        # are trained and applied in full.
        super().__init__(autocast=False, **kwargs)
        self.__dict__["weight"] = None

    def attach(self, weight):
        """Tells the part whose function it is: it does not own the weight."""
        self.__dict__["weight"] = weight


class _Scope(keras.StatelessScope):
    """Shows some variables as functions of them, all else as it is outside.

    A plain `StatelessScope` would hold back what a layer assigns (statistics,
    random state), and could not hand it out of a loop in the layer.

    Args:
        shown: Pairs (variable, value to show).
    """

    def __init__(self, shown):
        super().__init__(shown, collect_losses=True)
        self.shown = {id(variable) for variable, _ in shown}

    def get_current_value(self, variable):
        value = super().get_current_value(variable)
        if value is None and self.original_scope is not None:
            value = self.original_scope.get_current_value(variable)
        return value

    def add_update(self, update):
        variable, value = update
        if id(variable) in self.shown:
            raise ValueError(
                f"A layer assigns its weight {variable.name!r} as it runs, and "
                "so would store a function of the weight in place of it. "
                "Expected a layer that does not; leave this one out by "
                "`exclude=`."
            )
        self.__exit__()
        try:
            variable.assign(value)
        finally:
            self.__enter__()


@keras.saving.register_keras_serializable("kprune")
class Reparametrized(keras.layers.Wrapper):
    """Wraps a layer so that it computes with functions of its weights.

    The layer runs with `part(w)` in place of a weight `w`. Both `w` and the
    variables of the part are trained.

    Args:
        layer: A Keras layer, a whole model included.
        parts: Dict from the name of a weight, relative to the layer, to its
            part: a `kprune.soft.SoftThreshold` or `kprune.soft.HardConcrete`.
        names: Dict from such a name to the weight's name in the model.
            Defaults to the name of the layer before it.

    Example:

    >>> dense = keras.layers.Dense(4, name="fc")
    >>> layer = kprune.soft.Reparametrized(
    ...     dense, {"kernel": kprune.soft.SoftThreshold()})
    >>> layer(keras.ops.ones((1, 3))).shape
    TensorShape([1, 4])
    """

    def __init__(self, layer, parts, names=None, **kwargs):
        kwargs.setdefault("name", layer.name)
        kwargs.setdefault("trainable", layer.trainable)
        # The wrapped layer casts, by its own policy. This one must hand it
        # the variables in full precision and the inputs as they come.
        kwargs["dtype"] = "float32"
        kwargs["autocast"] = False
        super().__init__(layer, **kwargs)
        self.parts = dict(parts)
        default = {name: f"{layer.name}/{name}" for name in parts}
        # Plain containers in `__dict__`, past Keras' tracking: config, and
        # variables that are the layer's own.
        self.__dict__["names"] = dict(names or default)
        self.__dict__["_pairs"] = None  # Once built: {name: (variable, part)}.
        self.supports_masking = True
        self._convert_input_args = layer._convert_input_args
        self._allow_non_tensor_positional_args = True
        keras_internals.take_call_signature(self, layer)
        keras_internals.take_rematerialization(self, layer)
        if self._has_weights():
            self.build()

    def _has_weights(self):
        found = weights.find(self.layer, inside_wrapper=True)
        return set(self.parts) <= {w.name for w in found}

    def __call__(self, *args, **kwargs):
        if self._pairs is None:
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
        found = {
            w.name: w.variable
            for w in weights.find(self.layer, inside_wrapper=True)
        }
        if missing := set(self.parts) - set(found):
            raise ValueError(
                f"Layer {self.layer.name!r} has no weight {sorted(missing)}. "
                f"Expected names of: {sorted(found)}."
            )
        self.__dict__["_pairs"] = {}
        for name, part in self.parts.items():
            part.attach(found[name])
            if not part.built:
                part.build(tuple(found[name].shape))
            self._pairs[name] = found[name], part

    def call(self, *args, **kwargs):
        shown = [(v, part(v.value)) for v, part in self._pairs.values()]
        with _Scope(shown) as scope:
            outputs = self.layer(*args, **kwargs)
        for loss in scope.losses:
            self.add_loss(loss)
        return outputs

    def effective_weights(self):
        """Returns what the layer computes with at test time.

        Returns:
            Dict from each weight's name in the model to a tensor.
        """
        return {
            self.names[name]: part(variable.value, training=False)
            for name, (variable, part) in self._pairs.items()
        }

    def fold(self):
        """Stores what the layer computes with at test time as its weights.

        Returns:
            List of the variables that it stored.
        """
        for variable, part in self._pairs.values():
            variable.assign(part(variable.value, training=False))
        return [variable for variable, _ in self._pairs.values()]

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

    def get_build_config(self):
        return {"input_shape": None}

    def build_from_config(self, config):
        if self._pairs is None and self._has_weights():
            self.build()

    def get_config(self):
        parts = {
            name: keras.saving.serialize_keras_object(part)
            for name, part in self.parts.items()
        }
        return {**super().get_config(), "parts": parts, "names": self.names}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        layer = keras.saving.deserialize_keras_object(
            config["layer"], custom_objects
        )
        return cls.around(layer, config, custom_objects)

    @classmethod
    def around(cls, layer, config, custom_objects=None):
        """Returns a wrapper of the given layer, its parts from a config."""
        parts = {
            name: keras.saving.deserialize_keras_object(part, custom_objects)
            for name, part in config["parts"].items()
        }
        return cls(**{**config, "layer": layer, "parts": parts})

    def __getattr__(self, name):
        # What the wrapper lacks is the layer's: `model.embed.embeddings` in
        # a user's own code goes on working.
        layer = self.__dict__.get("layer")
        if name.startswith("_") or layer is None:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}"
            )
        return getattr(layer, name)


def wrappers(layer):
    """Returns the `Reparametrized` layers of a model."""
    if isinstance(layer, Reparametrized):
        return [layer]
    found = {}
    for _, child in weights.children(layer):
        found.update((id(w), w) for w in wrappers(child))
    return list(found.values())


def _symbolic(x):
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        dtype = keras.backend.standardize_dtype(x.dtype)
        return keras.KerasTensor(x.shape, dtype)
    return x
