"""Computes losses as `fit` does, and reads optimizer state."""

import inspect

import keras
import tensorflow as tf

_SPARSE = ("SparseCategoricalCrossentropy", "sparse_categorical_crossentropy")


def compile_arguments(model):
    """Returns a flat list of the arguments of a model's `compile`."""
    return keras.tree.flatten(
        getattr(getattr(model, "_compile_config", None), "config", {})
    )


def compiles_by_itself(model):
    """Returns whether a model's class overrides `compile`, but not
    `compile_from_config`, which would call it from a config."""
    cls = type(model)
    return (
        cls.compile is not keras.Model.compile
        and cls.compile_from_config is keras.Model.compile_from_config
    )


def compiled_loss(model):
    """Returns the loss of the last `compile`, or `None` if it had none.

    `model.loss` keeps the loss of an earlier `compile` then.
    """
    if getattr(model, "_compile_loss", None) is None:
        return None
    return model.loss


def loss_weights(model):
    """Returns the `loss_weights` of the last `compile`, or `None`."""
    return getattr(
        getattr(model, "_compile_loss", None), "_user_loss_weights", None
    )


def forget_compiled_functions(model):
    """Drops the traced train, test and predict functions of a model."""
    for name in ("train_function", "test_function", "predict_function"):
        if hasattr(model, name):
            setattr(model, name, None)


def build_training(model, batch):
    """Creates the variables of a compiled model's optimizer and metrics, as
    `fit` does before its first step. `batch` is a batch or an `element_spec`.
    """
    with model.distribute_strategy.scope():
        model._symbolic_build(data_batch=batch)


def training_loss(model, loss=None, dtype=None):
    """Returns the loss as `fit` computes it, without regularization.

    It is a function of (y_true, y_pred, sample_weight) with its own state; its
    first call builds it.

    Args:
        model: A Keras model, compiled unless `loss` is given.
        loss: A loss as `compile` takes it. Defaults to the compiled one.
        dtype: The dtype to compute in. Defaults to that of each loss, which is
            the `keras.config.floatx()` of when the loss was made.
    """
    from keras.src.trainers.compile_utils import CompileLoss

    weights = None
    if loss is None:
        loss = model._compile_loss._user_loss
        weights = model._compile_loss._user_loss_weights
    names = getattr(model, "output_names", None)
    if dtype is None:
        return CompileLoss(loss, loss_weights=weights, output_names=names)

    class CompileLossIn(CompileLoss):
        """Computes in `dtype` without changing `floatx`, which all threads
        share."""

        def build(self, y_true, y_pred):
            super().build(y_true, y_pred)
            self._flat_losses = [
                one._replace(loss=_loss_in(one.loss, dtype))
                for one in self._flat_losses
            ]

    made = CompileLossIn(loss, loss_weights=weights, output_names=names)
    return _loss_in(made, dtype)


def _loss_in(loss, dtype):
    """Returns a copy of a loss object that computes in `dtype`."""
    if loss.dtype == dtype:
        return loss
    # `copy.copy` would go through Keras' saving and loading.
    made = object.__new__(type(loss))
    vars(made).update(vars(loss))
    made._dtype_policy = keras.DTypePolicy(dtype)
    made._dtype = dtype
    return made


def set_seed_source(source):
    """Sets the source of Keras' default seeds: Python's `random`, or an object
    with the same `randint`."""
    from keras.src.random import seed_generator

    seed_generator.python_random = source


def set_loss_scaling(function):
    """Replaces the function that scales Keras' losses for replicas, and
    returns the former one, a function from a loss value to a loss value.

    Keras divides every mean that a loss takes by the number of replicas,
    through a function of one module. In a release that lacks it, the call is a
    no-op and returns `None`.
    """
    from keras.src.losses import loss as module

    before = getattr(module, "scale_loss_for_distribution", None)
    if before is not None:
        module.scale_loss_for_distribution = function
    return before


def reads_logits(loss):
    """Returns whether a cross-entropy reads logits (True) or probabilities
    (False).

    Returns `None` for other Keras losses. Assumes that a user's function
    without a `from_logits` argument reads logits.
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
    """Returns whether a loss is a name, a `keras.losses.Loss` or a function of
    Keras."""
    return isinstance(loss, (str, keras.losses.Loss)) or (
        getattr(loss, "__module__", None) or ""
    ).startswith("keras.")


def slots(optimizer, variable):
    """Returns the optimizer's variables that follow `variable` entry by entry.

    Keras keeps one list per kind of slot (momentum, second moment, moving
    average ...), in the order of the trainable variables. Statistics of another
    shape, such as Adafactor's row and column sums, have no entry per weight
    and are omitted. Includes the slots of a loss-scaling or multi-optimizer's
    inner optimizers.
    """
    inner = [getattr(optimizer, "inner_optimizer", None)]
    inner += list(getattr(optimizer, "_inner_optimizers", None) or [])
    found = []
    for one in inner:
        if one is not None:
            found += slots(one, variable)
    try:
        place = optimizer._get_variable_index(variable)
    except (AttributeError, KeyError):  # Not built, or without the variable.
        return found
    count = len(optimizer._trainable_variables)
    for name, value in vars(optimizer).items():
        if name in ("_trainable_variables", "_variables"):
            continue
        if isinstance(value, (list, tuple)) and len(value) == count:
            slot = value[place]
            if (
                isinstance(slot, keras.Variable)
                and slot is not variable
                and tuple(slot.shape) == tuple(variable.shape)
            ):
                found.append(slot)
    return found


def assign_in_call(variable, value):
    """Assigns a variable within a layer's `call`, also in a step of a
    strategy: there each replica's copy gets the value that it computed."""
    from keras.src.backend.common.stateless_scope import in_stateless_scope

    replica = tf.distribute.get_replica_context()
    alone = replica is None or replica.num_replicas_in_sync == 1
    if alone or in_stateless_scope():
        variable.assign(value)
        return

    def update(strategy, target, values):
        def one(copy, own):
            return copy.assign(tf.cast(own, copy.dtype))

        return strategy.extended.update(target, one, args=(values,))

    replica.merge_call(update, args=(variable.value, value))


def averages(variable):
    """Returns a list of the moving average (EMA) of a variable whose
    constraint Keras is applying; it is empty without one.

    Keras updates the averages of weights before it applies their constraints,
    and `fit` ends by assigning the averages. The name scope that is open tells
    which optimizer is at work.
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


def wants_integers(loss):
    """Returns whether a loss takes class indices rather than one-hot labels."""
    if isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
        return True
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", None)
    return name in _SPARSE or type(loss).__name__ in _SPARSE
