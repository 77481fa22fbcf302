"""Computes losses as `fit` does, and reads optimizer state."""

import inspect

import keras
import tensorflow as tf

_SPARSE = ("SparseCategoricalCrossentropy", "sparse_categorical_crossentropy")


def compile_arguments(model):
    """Returns the objects that a compiled model was compiled with."""
    return keras.tree.flatten(
        getattr(getattr(model, "_compile_config", None), "config", {})
    )


def compiles_by_itself(model):
    """Whether a class has a `compile` of its own, and no
    `compile_from_config` to do the same by a config."""
    cls = type(model)
    return (
        cls.compile is not keras.Model.compile
        and cls.compile_from_config is keras.Model.compile_from_config
    )


def compiled_loss(model):
    """Returns the loss of the last `compile`, `None` if it had none.

    Keras leaves that of an earlier `compile` in `model.loss`.
    """
    if getattr(model, "_compile_loss", None) is None:
        return None
    return model.loss


def loss_weights(model):
    """Returns the weights of the losses of the last `compile`."""
    return getattr(
        getattr(model, "_compile_loss", None), "_user_loss_weights", None
    )


def forget_compiled_functions(model):
    """Drops the traced train, test and predict functions of a model."""
    for name in ("train_function", "test_function", "predict_function"):
        if hasattr(model, name):
            setattr(model, name, None)


def build_training(model, batch):
    """Makes the variables of a compiled model's optimizer and metrics, as `fit`
    does with its first step, for what a data set gives, or its `element_spec`.
    """
    with model.distribute_strategy.scope():
        model._symbolic_build(data_batch=batch)


def training_loss(model, loss=None, dtype=None):
    """Returns the loss as `fit` computes it, without regularization: a function
    of (y_true, y_pred, sample_weight), of its own state, built by its first
    call.

    Args:
        model: A Keras model, compiled unless `loss` is given.
        loss: As `compile` takes it. Defaults to the compiled one.
        dtype: What to compute it in. Defaults to that of each loss, which is
            what `keras.config.floatx()` was when the loss was made.
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
        """Computes in `dtype` without a change of `floatx`, which all threads
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
    # `copy.copy` would save it to a file and load it.
    made = object.__new__(type(loss))
    vars(made).update(vars(loss))
    made._dtype_policy = keras.DTypePolicy(dtype)
    made._dtype = dtype
    return made


def set_seed_source(source):
    """Replaces where Keras draws default seeds from: Python's `random`, or what
    has a `randint` as it does."""
    from keras.src.random import seed_generator

    seed_generator.python_random = source


def set_loss_scaling(function):
    """Replaces how Keras' losses are divided among replicas, and returns the
    function from a loss value to a loss value that was there.

    Every mean that a Keras loss takes is divided by the number of replicas,
    through a function of one module. A release without it divides nothing.
    """
    from keras.src.losses import loss as module

    before = getattr(module, "scale_loss_for_distribution", None)
    if before is not None:
        module.scale_loss_for_distribution = function
    return before


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
    average ...), in the order of the trainable variables. Statistics of another
    shape, such as Adafactor's row and column sums, have no entry of their own
    for a weight and are left out. A loss-scaling or multi-optimizer is looked
    into.
    """
    inner = [getattr(optimizer, "inner_optimizer", None)]
    inner += list(getattr(optimizer, "_inner_optimizers", None) or [])
    found = []
    for one in inner:
        if one is not None:
            found += slots(one, variable)
    try:
        place = optimizer._get_variable_index(variable)
    except (AttributeError, KeyError):  # It is not built, or of others.
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
    """Assigns a variable while a layer is called, in the step of a strategy
    too: there each replica's copy is set to the value that it computed."""
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
    """Returns the moving average (EMA) of what Keras has handed to a
    constraint, a list of one variable or none.

    Keras takes the average of weights before it applies their constraint,
    and `fit` ends by assigning the average. The optimizer that is at work is
    known by the name scope it has opened.
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
    """Whether a loss takes class numbers rather than one-hot labels."""
    if isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
        return True
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", None)
    return name in _SPARSE or type(loss).__name__ in _SPARSE
