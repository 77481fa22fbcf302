"""Masks in a Keras model: the wrapper that holds them, on and off.

`wrap` puts a `Masked` around each layer with prunable weights, `set_masks`
fills the masks, `strip` folds them in and takes the wrappers off. Nobody else
writes masks.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

from kprune import cloning, keras_internals, lookup, weights


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
            average.assign(_where(self.mask, average.value))
        return _where(self.mask, value)


class _MaskedScope(keras.StatelessScope):
    """Shows some variables masked, and leaves all else as it is outside.

    A plain `StatelessScope` would hold back what a layer assigns (statistics,
    random state), and could not hand it out of a loop in the layer.

    Args:
        pairs: The weights to mask, pairs (variable, mask).
    """

    def __init__(self, pairs):
        shown = [(v, _where(mask, v.value)) for v, mask in pairs]
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
            super().add_update((variable, _where(mask, value)))
            if not variable.constraint.live:
                value = _where(mask, value)
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
        live: Whether pruned entries keep (and train) their stored values, for
            methods that may bring them back. Defaults to `False`.
        masked: Names of the weights to mask, relative to the layer. Defaults
            to all that are prunable.
        notes: Dict from such a name to why a pruning left the weight out.

    Example:

    >>> layer = kprune.Masked(keras.layers.Dense(4))
    """

    def __init__(self, layer, live=False, masked=None, notes=None, **kwargs):
        kwargs.setdefault("name", layer.name)
        kwargs.setdefault("trainable", layer.trainable)
        # The wrapped layer casts, by its own policy. This one must hand it
        # the variables in full precision and the inputs as they come.
        kwargs["dtype"] = "float32"
        kwargs["autocast"] = False
        super().__init__(layer, **kwargs)
        self.live = live
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
        with _MaskedScope(self._masks) as scope:
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


def _where(mask, w):
    # Not a product: 0 * NaN is NaN.
    mask = tf.convert_to_tensor(mask)
    return tf.where(mask, w, tf.zeros([], w.dtype))


def _symbolic(x):
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        dtype = keras.backend.standardize_dtype(x.dtype)
        return keras.KerasTensor(x.shape, dtype)
    return x


class _WrappedModel:
    """Mixed into the class of a model whose constructor makes the layers.

    The class keeps its name, its methods and its `isinstance` relations; what
    is added is a config that says which layers to wrap again on loading.
    """

    plain_class = None

    def get_config(self):
        plain = self.plain_class
        return {
            "model": {
                "module": plain.__module__,
                "class_name": plain.__name__,
                "registered_name": keras.saving.get_registered_name(plain),
                "config": cloning.constructor_config(self),
                "build_config": self.get_build_config(),
            },
            "wrappers": {
                name: {
                    "live": child.live,
                    "masked": child.masked,
                    "notes": child.notes,
                }
                for name, child in weights.children(self, rebuilt=True)
                if isinstance(child, Masked)
            },
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        # The class may have been defined in the program itself.
        known = [c.plain_class for c in _WrappedModel.__subclasses__()]
        known = {keras.saving.get_registered_name(c): c for c in known if c}
        model = keras.saving.deserialize_keras_object(
            config["model"], custom_objects={**known, **(custom_objects or {})}
        )
        names = {id(x): n for n, x in weights.children(model, rebuilt=True)}

        def masked(layer):
            options = config["wrappers"].get(names.get(id(layer)))
            return None if options is None else Masked(layer, **options)

        return _replace_layers(model, masked)


@keras.saving.register_keras_serializable("kprune")
class WrappedModel(_WrappedModel):
    """What a saved subclassed model with masks names as its class."""


def wrap(model, inplace=False, live=False):
    """Returns the model with an all-True mask on each prunable weight.

    Sequential and Functional models are rebuilt, nested ones too, with the
    same names and values; a subclassed model is copied from its config, its
    class and its own `train_step` stay. A model that is compiled comes back
    compiled alike, with a fresh optimizer. Masks already there are kept.

    Args:
        model: A built Keras model. It is left as it was.
        inplace: For subclassed models only: whether to wrap the layers of
            the model itself instead of a copy. Defaults to `False`.
        live: Whether pruned entries keep their stored values (see `Masked`).

    Returns:
        A Keras model with the same outputs.

    Raises:
        ValueError: If the model is not built, has no prunable weight, or
            cannot be copied.

    Example:

    >>> model = kprune.wrap(kprune.models.lenet_300_100())
    >>> sorted(kprune.get_masks(model))
    ['fc1/kernel', 'fc2/kernel', 'fc3/kernel']
    """
    check_model(model)
    before = {w.name: w for w in weights.find(model) if w.mask is not None}
    if inplace and keras_internals.is_graph(model):
        raise ValueError(
            "`inplace=True` is for subclassed models: the graph of a "
            "Sequential or Functional model has to be rebuilt. Received: "
            f"model={model.name!r} of class {type(model).__name__}. Use "
            "the model that `wrap` returns."
        )
    with cloning.strategy_scope(model):
        new = model if inplace else cloning.plain_copy(model)
        # A weight that has a mask keeps it, though it may be frozen by now.
        keep = {id(w.variable) for w in weights.find(new) if w.name in before}
        new = _replace_layers(new, lambda layer: _masked(layer, keep, live))
        if inplace:
            keras_internals.forget_compiled_functions(model)
            return model
        if before:
            set_masks(new, get_masks(model))
            set_notes(new, {name: w.note for name, w in before.items()})
        cloning.carry_compile(model, new)
    return new


def strip(model):
    """Returns a plain Keras model with the masks folded into the weights.

    The result knows nothing of kprune and loads where it is not installed.
    Stripping a model without masks gives a copy of it.

    Args:
        model: A Keras model, wrapped or not. It is left as it was.

    Returns:
        A Keras model with the same outputs, compiled alike with a fresh
        optimizer if `model` is compiled.
    """
    _check_built(model)
    with cloning.strategy_scope(model):
        new = cloning.plain_copy(model)
        names = {w.name: w for w in weights.find(new)}
        for weight in weights.find(model):
            if weight.mask is not None:
                target = names[weight.name].variable
                target.assign(_where(weight.mask, target.value))
        cloning.carry_compile(model, new)
    return new


def is_wrapped(model):
    """Whether any weight of the model has a mask."""
    return any(w.mask is not None for w in weights.find(model))


def get_masks(model):
    """Returns the masks of a wrapped model.

    Args:
        model: A model that went through `kprune.prune` or `kprune.wrap`.

    Returns:
        Dict from weight name, such as `"conv1/kernel"`, to a boolean NumPy
        array of the weight's shape. True is kept.

    Raises:
        ValueError: If the model has no masks.
    """
    masks = {
        w.name: keras.ops.convert_to_numpy(w.mask).astype(bool)
        for w in weights.find(model)
        if w.mask is not None
    }
    if not masks:
        raise ValueError(
            f"Model {model.name!r} has no masks. Expected a model returned by "
            "`kprune.prune` or `kprune.wrap`."
        )
    return masks


def set_masks(model, masks, optimizer=None):
    """Sets masks, zeroes what they prune, and the optimizer's state of it.

    All is checked before anything is changed.

    Args:
        model: A wrapped model, changed in place.
        masks: Dict from weight name to a boolean array of the weight's shape.
            Weights that are not named keep their masks.
        optimizer: The optimizer whose slots to zero at removed weights, in a
            training loop of one's own. Defaults to the compiled one.

    Raises:
        ValueError: If the model has no masks, or a name, shape or value does
            not fit.
    """
    found = {w.name: w for w in weights.find(model) if w.mask is not None}
    if not found:
        get_masks(model)  # Raises, saying what was expected.
    checked = {
        name: _checked_mask(
            mask, lookup.choose(name, found, "weight with a mask")
        )
        for name, mask in masks.items()
    }
    optimizer = optimizer or getattr(model, "optimizer", None)
    for name, mask in checked.items():
        weight = found[name]
        removed = keras.ops.convert_to_numpy(weight.mask) & ~mask
        weight.mask.assign(mask)
        if not weight.live:
            weight.variable.assign(_where(mask, weight.variable.value))
        if optimizer is not None and removed.any():
            for slot in keras_internals.slots(optimizer, weight.variable):
                slot.assign(_where(~removed, slot.value))


def set_notes(model, notes):
    """Records in a wrapped model why weights were left out of a pruning.

    Args:
        model: A wrapped model, changed in place.
        notes: Dict from weight name to a few words. Earlier notes go.
    """
    by_mask = {id(w.mask): notes.get(w.name) for w in weights.find(model)}
    for wrapper in wrappers(model):
        wrapper.notes.clear()
        pairs = zip(wrapper.masked, wrapper.mask_of().values(), strict=True)
        for name, (mask, *_) in pairs:
            if by_mask.get(id(mask)):
                wrapper.notes[name] = by_mask[id(mask)]


def wrappers(layer):
    """Returns the `Masked` layers of a model."""
    if isinstance(layer, Masked):
        return [layer]
    found = {}
    for _, child in weights.children(layer):
        found.update((id(w), w) for w in wrappers(child))
    return list(found.values())


def check_model(model):
    """Raises unless the model is built and has a prunable weight."""
    _check_built(model)
    found = weights.find(model)
    if any(w.skipped is None or w.mask is not None for w in found):
        return
    reasons = "; ".join(f"{w.name}: {w.skipped}" for w in found)
    raise ValueError(
        f"Model {model.name!r} has no prunable weights. Expected at least one "
        "trainable kernel or embedding. "
        + (f"Skipped: {reasons}." if found else "It has no kernels at all.")
    )


def _check_built(model):
    if not isinstance(model, keras.Model):
        raise ValueError(
            "Expected `model` to be a keras.Model. "
            f"Received: {type(model).__name__}"
        )
    unbuilt = any(not layer.built for layer in model.layers)
    if not model.built or (unbuilt and not model.variables):
        raise ValueError(
            f"Model {model.name!r} is not built, so it has no weights yet. "
            "Call it on data once, or give it an `keras.Input`, first."
        )


def _checked_mask(mask, weight):
    mask = np.asarray(mask)
    if mask.shape != tuple(weight.variable.shape):
        raise ValueError(
            f"The mask of {weight.name!r} has the wrong shape. Expected "
            f"{tuple(weight.variable.shape)}. Received: {mask.shape}"
        )
    if mask.dtype != bool and not np.isin(mask, (0, 1)).all():
        raise ValueError(
            f"The mask of {weight.name!r} must be boolean (True = kept) or "
            f"hold only 0 and 1. Received: dtype {mask.dtype}"
        )
    return mask.astype(bool)


def _masked(layer, keep, live):
    """Returns the layer wrapped, or `None` if nothing in it can be pruned."""
    if isinstance(layer, Masked) or not isinstance(layer, keras.layers.Layer):
        return None
    masked = [
        w.name
        for w in weights.find(layer, inside_wrapper=True)
        if w.skipped is None or id(w.variable) in keep
    ]
    return Masked(layer, live=live, masked=masked) if masked else None


def _replace_layers(model, replace):
    new = cloning.replace_layers(model, replace)
    if not keras_internals.lists_layers(new):
        new.__class__ = _wrapped_class(cloning.plain_class(new))
    return new


@functools.cache
def _wrapped_class(plain):
    """Returns the class that a model of class `plain` has while wrapped."""
    wrapped = type(
        plain.__name__,
        (_WrappedModel, plain),
        {"plain_class": plain, "__module__": plain.__module__},
    )
    # All under the one name that a process which has only imported kprune
    # knows: `from_config` finds the user's class from the config.
    return keras.saving.register_keras_serializable("kprune", "WrappedModel")(
        wrapped
    )
