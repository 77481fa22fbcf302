"""Losses as `fit` computes them, and the state of optimizers."""

import inspect

import keras


def compile_arguments(model):
    """Returns the objects that a compiled model was compiled with."""
    return keras.tree.flatten(
        getattr(getattr(model, "_compile_config", None), "config", {})
    )


def forget_compiled_functions(model):
    """Drops the traced train, test and predict functions of a model."""
    for name in ("train_function", "test_function", "predict_function"):
        if hasattr(model, name):
            setattr(model, name, None)


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
