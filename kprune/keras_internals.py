"""The few private corners of Keras that kprune cannot do without.

Nothing else in kprune touches an underscored name of Keras. Each function
says what it needs it for and what happens where a Keras release lacks it.
"""

import contextlib
import functools
import inspect
import math
import re
import types

import keras
import numpy as np

_BOOKKEEPING = {
    "_layers",
    "_functional",
    "_tracker",
    "_tracked",
    "_operations",
    "_operations_by_depth",
    "_nodes_by_depth",
}


@functools.cache
def functional_class():
    """Returns the class of models made from inputs and outputs.

    Keras exports `Model` and `Sequential` but not `Functional`.
    """
    inputs = keras.Input((1,))
    return type(keras.Model(inputs, inputs))


def is_graph(model):
    """Whether the model is made of a graph of layers."""
    return isinstance(model, (keras.Sequential, functional_class()))


def lists_layers(model):
    """Whether the config of a graph model lists its layers.

    A subclass with a constructor of its own does not: the constructor makes
    the layers anew.
    """
    if not is_graph(model):
        return False
    sequential = isinstance(model, keras.Sequential)
    base = keras.Sequential if sequential else functional_class()
    own, expected = (
        inspect.getfullargspec(cls.__init__) for cls in (type(model), base)
    )
    return own.args == expected.args or bool(own.varargs and own.varkw)


def default_name(layer):
    """Returns the name Keras gives a layer of this class: `conv2d`."""
    name = re.sub(r"\W+", "", type(layer).__name__)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


@contextlib.contextmanager
def known_objects(holders):
    """Lets configs name the functions and classes of the user's own.

    A copy goes through configs, which hold names. For Keras a lambda, a local
    function or a class that nobody registered has none to be found by.

    Args:
        holders: Layers, losses, metrics ... They, and the functions and
            objects in their attributes, are made known.
    """
    known, renamed = {}, []
    for holder in holders:
        for value in [holder, *getattr(holder, "__dict__", {}).values()]:
            if not isinstance(value, types.FunctionType):
                value = type(value)
                if not hasattr(value, "from_config"):
                    continue
            name = value.__name__
            registered = keras.saving.get_registered_name(value) != name
            builtin = (value.__module__ or "").startswith("keras.")
            if name in known or registered or builtin:
                continue
            if isinstance(value, types.FunctionType):
                renamed.append((value, value.__name__))
                name = value.__name__ = f"kprune_{len(renamed)}_{name}"
            known[name] = value
    try:
        with keras.saving.custom_object_scope(known):
            yield
    finally:
        for function, name in renamed:
            function.__name__ = name


def all_layers(model):
    """Returns a model and all layers below it."""
    return list(model._flatten_layers())


def compile_arguments(model):
    """Returns the objects that a compiled model was compiled with."""
    return keras.tree.flatten(
        getattr(getattr(model, "_compile_config", None), "config", {})
    )


@contextlib.contextmanager
def not_compiled(model):
    """Makes `clone_model` leave the compile state alone.

    It would rebuild loss and metrics from their configs, and fail as a whole
    if one of them (a lambda, say) has none.
    """
    compiled = model.compiled
    model.compiled = False
    try:
        yield
    finally:
        model.compiled = compiled


def swap_children(parent, replace):
    """Replaces sub-layers held in the attributes of a built layer.

    A built layer refuses new state, and setting an attribute does not take
    the old value off Keras' list of sub-layers. So both the attribute and
    that list are rewritten in place, which keeps the order of the variables.

    Args:
        parent: A built layer or model.
        replace: Function from a sub-layer to the layer to put in its place
            (itself, to keep it).
    """
    swapped = {}

    def new(value):
        if isinstance(value, keras.layers.Layer):
            if id(value) not in swapped:
                swapped[id(value)] = replace(value)
            return swapped[id(value)]
        if isinstance(value, tuple):
            value = getattr(value, "__wrapped__", value)  # TF hides tuples.
            items = [new(item) for item in value]
            if all(a is b for a, b in zip(items, value, strict=True)):
                return value
            named = hasattr(value, "_fields")
            return type(value)(*items) if named else tuple(items)
        if isinstance(value, list):
            for i, item in enumerate(value):
                if (changed := new(item)) is not item:
                    list.__setitem__(value, i, changed)
        elif isinstance(value, dict):
            for key, item in value.items():
                if (changed := new(item)) is not item:
                    dict.__setitem__(value, key, changed)
        return value

    for name, value in attributes(parent):
        changed = new(value)
        if changed is not value:
            object.__setattr__(parent, name, changed)
    _track_anew(parent, swapped)


def _track_anew(parent, swapped):
    """Puts layers in the places of others on Keras' list of sub-layers."""
    parent._layers[:] = [swapped.get(id(x), x) for x in parent._layers]
    stored = getattr(parent._tracker, "stored_ids", {}).get("layers")
    if stored is not None:
        stored.update(id(layer) for layer in parent._layers)


def adopt_graph(model, graph, replaced):
    """Makes a model compute by another graph and stay what else it is.

    Args:
        model: A Sequential or Functional model, not compiled, of a class with
            a constructor of its own.
        graph: A plain Sequential or Functional model: the same graph with
            layers replaced.
        replaced: Dict from the id of each layer of `model` to the layer of
            `graph` in its place. Attributes of `model` follow.
    """
    swap_children(model, lambda layer: replaced.get(id(layer), layer))
    _track_anew(model, replaced)
    if isinstance(model, keras.Sequential):
        model.add(model.pop(rebuild=False))  # Connects the layers again.
    else:
        inputs, outputs = graph.input, graph.output
        functional_class().__init__(model, inputs, outputs, name=model.name)


def take_call_signature(wrapper, layer):
    """Makes Keras see the arguments of `layer.call` in a wrapper's `call`.

    `(*args, **kwargs)` would hide which argument is a mask, and that tensors
    and flags are separate arguments.
    """
    for name in (
        "_call_signature",
        "call_signature_parameters",
        "_call_has_training_arg",
        "_call_has_mask_arg",
        "_call_context_args",
        "_call_has_context_arg",
    ):
        if hasattr(layer, name):
            wrapper.__dict__[name] = getattr(layer, name)


def take_rematerialization(wrapper, layer):
    """Makes a wrapper rematerialize in place of the layers below it.

    A call that is computed anew for its gradient passes none to a tensor
    from outside of it, such as a masked weight.
    """
    for one in all_layers(layer):
        mode = getattr(one, "_remat_mode", None)
        if mode is not None:
            wrapper._remat_mode = wrapper._remat_mode or mode
            one._remat_mode = None


def attributes(layer):
    """Returns the (name, value) pairs of a layer that may hold sub-layers.

    Keras' and TensorFlow's own bookkeeping (lists of all sub-layers, nodes,
    checkpoint dependencies) is left out.
    """
    return [
        (name, value)
        for name, value in vars(layer).items()
        if not name.startswith("_self_")
        and name not in _BOOKKEEPING
        and not name.endswith("bound_nodes")
        and isinstance(value, (keras.layers.Layer, list, tuple, dict))
    ]


def forget_compiled_functions(model):
    """Drops the traced train, test and predict functions of a model."""
    for name in ("train_function", "test_function", "predict_function"):
        if hasattr(model, name):
            setattr(model, name, None)


def output_layers(model):
    """Returns the layers nearest to the outputs that may hold weights.

    Walks back from each output of a graph through layers without weights
    (activations, reshapes), and stops at the first that has some.
    """
    if isinstance(model, keras.Sequential):
        held = [layer for layer in model.layers if layer.weights]
        return held[-1:]
    found, seen = [], set()
    todo = [
        t._keras_history.operation for t in keras.tree.flatten(model.outputs)
    ]
    while todo:
        operation = todo.pop()
        if id(operation) in seen:
            continue
        seen.add(id(operation))
        if getattr(operation, "weights", None):
            found.append(operation)
            continue
        for node in operation._inbound_nodes:
            todo += [t._keras_history.operation for t in node.input_tensors]
    return found


def averages(variable):
    """Returns the moving averages (EMA) of a variable about to be constrained.

    Keras takes the average of weights before it applies their constraint,
    and `fit` ends by assigning the average. The optimizer that is at work is
    known by the name scope it has opened.

    Args:
        variable: What Keras has handed to a constraint.

    Returns:
        A list of one variable, or of none.
    """
    try:
        from keras.src.backend.common import global_state

        scopes = global_state.get_global_attribute("name_scope_stack")
    except ImportError:
        return []
    optimizer = scopes[-1].caller if scopes else None
    if not getattr(optimizer, "use_ema", False):
        return []
    pairs = zip(
        getattr(optimizer, "_trainable_variables", ()),
        getattr(optimizer, "_model_variables_moving_average", ()),
        strict=False,
    )
    return [average for v, average in pairs if v is variable]


def slots(optimizer, variable):
    """Returns the optimizer's variables that follow `variable` entry by entry.

    Keras keeps one list per kind of slot (momentum, second moment, moving
    average ...), in the order of the trainable variables. Statistics of
    another shape, such as Adafactor's row and column sums, have no entry of
    their own for a weight and are left out.

    Args:
        optimizer: A built Keras optimizer. A loss-scaling or multi-optimizer
            is looked into.
        variable: A trainable variable of the model.

    Returns:
        A list of variables, each of the shape of `variable`.
    """
    inner = [getattr(optimizer, "inner_optimizer", None)]
    inner += list(getattr(optimizer, "_inner_optimizers", None) or [])
    found = []
    for one in inner:
        if one is not None:
            found += slots(one, variable)
    followed = list(getattr(optimizer, "_trainable_variables", None) or [])
    places = [i for i, v in enumerate(followed) if v is variable]
    for name, value in vars(optimizer).items():
        if not places or name in ("_trainable_variables", "_variables"):
            continue
        if isinstance(value, (list, tuple)) and len(value) == len(followed):
            slot = value[places[0]]
            if (
                isinstance(slot, keras.Variable)
                and slot is not variable
                and tuple(slot.shape) == tuple(variable.shape)
            ):
                found.append(slot)
    return found


def training_loss(model, loss=None):
    """Returns the loss as `fit` computes it, without regularization.

    Args:
        model: A Keras model, compiled unless `loss` is given.
        loss: As `compile` takes it: a name, a `keras.losses.Loss`, a function,
            or a list or dict of these. Defaults to the compiled one.

    Returns:
        Function of (y_true, y_pred, sample_weight) that returns a scalar, of
        its own state: the compiled one's trackers are not touched.
    """
    from keras.src.trainers.compile_utils import CompileLoss

    weights = None
    if loss is None:
        loss = model._compile_loss._user_loss
        weights = model._compile_loss._user_loss_weights
    names = getattr(model, "output_names", None)
    return CompileLoss(loss, loss_weights=weights, output_names=names)


def reads_logits(loss):
    """Whether a cross-entropy reads logits (True) or probabilities (False).

    Returns `None` for a Keras loss that is no cross-entropy. A function of
    the user's own is taken to read logits.
    """
    loss = keras.losses.get(loss)
    if isinstance(loss, keras.losses.Loss):
        options = dict(getattr(loss, "_fn_kwargs", None) or {})
        return options.get("from_logits")
    options = inspect.signature(loss).parameters
    if "from_logits" in options:
        return bool(options["from_logits"].default)
    if (getattr(loss, "__module__", None) or "").startswith("keras."):
        return None
    return True


def is_keras_loss(loss):
    """Whether a loss is one of Keras' own, by name, object or function."""
    return isinstance(loss, (str, keras.losses.Loss)) or (
        getattr(loss, "__module__", None) or ""
    ).startswith("keras.")


def last_layers(model):
    """Returns the layers whose outputs are the model's outputs."""
    if isinstance(model, keras.Sequential):
        return model.layers[-1:]
    operations = [
        tensor._keras_history.operation
        for tensor in keras.tree.flatten(model.outputs)
    ]
    return [getattr(op, "layer", op) for op in operations]


def activation_name(layer):
    """Returns the name of a layer's activation: "softmax", "linear" ..."""
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    activation = getattr(layer, "activation", None)
    return getattr(activation, "__name__", None)


def input_specs(model):
    """Returns the structure of `keras.InputSpec`-like inputs of a model."""
    if is_graph(model):
        inputs = model.inputs
        structure = getattr(model, "_inputs_struct", None)
        if structure is None:
            structure = inputs[0] if len(inputs) == 1 else inputs
        return keras.tree.map_structure(
            lambda t: keras.KerasTensor(t.shape, t.dtype), structure
        )
    arguments = call_arguments(model)
    if len(arguments) != 1:
        raise ValueError(
            f"The input shape of model {model.name!r} is not known. Pass "
            "`data=`."
        )
    return keras.tree.map_structure(
        lambda t: keras.KerasTensor(t.shape, "float32"), arguments[0]
    )


def call_arguments(model):
    """Returns the input specs of a model, one for each argument of a call.

    Those of a subclassed model, known by shape only, are what Keras exports
    it with. They are none if it never recorded its inputs.
    """
    if is_graph(model):
        return [input_specs(model)]
    config = model.get_build_config() or {}
    shapes = list(config.get("shapes_dict", config).values())

    def spec(shape):
        if isinstance(shape, dict):
            return {name: spec(inner) for name, inner in shape.items()}
        if all(n is None or isinstance(n, int) for n in shape):
            return keras.KerasTensor(shape, model.input_dtype)
        return [spec(inner) for inner in shape]

    return [spec(shape) for shape in shapes if shape is not None]


def smallest_vocabulary(model):
    """Returns the smallest `input_dim` of the model's embeddings, or 2."""
    layers = [x for x in model._flatten_layers() if hasattr(x, "input_dim")]
    sizes = [
        x.input_dim for x in layers if isinstance(x, keras.layers.Embedding)
    ]
    return min(sizes, default=2)


def make_linear(layer):
    """Takes the activation off a layer of a copy that is ours alone."""
    if hasattr(layer, "activation"):
        layer.activation = keras.activations.linear
    else:
        layer.call = lambda inputs, *args, **kwargs: inputs


def check_inputs(model, x):
    """Raises `ValueError` if inputs cannot be what a graph model takes."""
    if not is_graph(model):
        return
    expected = keras.tree.flatten(input_specs(model))
    received = keras.tree.flatten(x)
    fits = len(expected) == len(received) and all(
        len(e.shape) == a.ndim
        and all(n in (None, m) for n, m in zip(e.shape, a.shape, strict=True))
        for e, a in zip(expected, received, strict=True)
    )
    if not fits:
        raise ValueError(
            f"`data` does not fit model {model.name!r}. Expected inputs of "
            f"shape {[tuple(e.shape) for e in expected]}. Received: "
            f"{[a.shape for a in received]}"
        )


def example_inputs(specs):
    """Returns a batch of two for a structure of input specs: waves, or zeros
    and ones for integers, with an open dimension taken as 64."""

    def example(spec):
        batch, *rest = spec.shape
        shape = [batch or 2] + [64 if n is None else n for n in rest]
        dtype = keras.backend.standardize_dtype(spec.dtype)
        places = np.arange(math.prod(shape)).reshape(shape)
        waves = np.sin(places) if "float" in dtype else places % 2
        return keras.ops.convert_to_tensor(waves, dtype)

    return keras.tree.map_structure(example, specs)
