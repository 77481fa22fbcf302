"""The few private corners of Keras that kprune cannot do without.

Nothing else in kprune touches an underscored name of Keras. Each function
says what it needs it for and what happens where a Keras release lacks it.
"""

import contextlib
import functools
import inspect
import re

import keras


@functools.cache
def functional_class():
    """Returns the class of models made from inputs and outputs.

    Keras exports `Model` and `Sequential` but not `Functional`.
    """
    inputs = keras.Input((1,))
    return type(keras.Model(inputs, inputs))


def is_graph(model):
    """Whether the model is a graph of layers that can be rebuilt."""
    return isinstance(model, (keras.Sequential, functional_class()))


def default_name(layer):
    """Returns the name Keras gives a layer of this class: `conv2d`."""
    name = re.sub(r"\W+", "", type(layer).__name__)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


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
        if isinstance(value, list):
            for i, item in enumerate(value):
                list.__setitem__(value, i, new(item))
        elif isinstance(value, dict):
            for key, item in value.items():
                dict.__setitem__(value, key, new(item))
        elif type(value) is tuple:
            return tuple(new(item) for item in value)
        return value

    for name, value in attributes(parent):
        changed = new(value)
        if changed is not value:
            object.__setattr__(parent, name, changed)
    parent._layers[:] = [swapped.get(id(x), x) for x in parent._layers]
    stored = getattr(parent._tracker, "stored_ids", {}).get("layers")
    if stored is not None:
        stored.update(id(layer) for layer in parent._layers)


def attributes(layer):
    """Returns the (name, value) pairs of a layer that may hold sub-layers.

    Keras' and TensorFlow's own bookkeeping (lists of all sub-layers, nodes,
    checkpoint dependencies) is left out.
    """
    return [
        (name, value)
        for name, value in vars(layer).items()
        if not name.startswith("_self_")
        and name not in {"_layers", "_functional", "_tracker", "_tracked"}
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
    for value in vars(optimizer).values():
        if not places or value is getattr(
            optimizer, "_trainable_variables", None
        ):
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
    shape = (model.get_build_config() or {}).get("input_shape")
    if shape is None:
        raise ValueError(
            f"The input shape of model {model.name!r} is not known. Pass "
            "`data=`."
        )
    if isinstance(shape, dict):
        return {k: keras.KerasTensor(v, "float32") for k, v in shape.items()}
    return keras.KerasTensor(shape, "float32")


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
    """Returns a batch of one for a structure of input specs: ones, with an
    open dimension taken as 8."""

    def ones(spec):
        shape = [1] + [8 if n is None else n for n in spec.shape[1:]]
        dtype = keras.backend.standardize_dtype(spec.dtype)
        return keras.ops.ones(shape, dtype)

    return keras.tree.map_structure(ones, specs)
