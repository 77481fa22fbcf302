"""PruneTrain: a model that shrinks during training.

Lym et al., 2019, https://arxiv.org/abs/1901.09290
"""

import math
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from kprune.callbacks.regularization.group_lasso import GroupLasso
from kprune.callbacks.regularization.growing_batches import growing_batches
from kprune.deploy.shrink import optimizer_state, shrink
from kprune.graph import channels, costs
from kprune.masking import cloning, weights
from kprune.pruning.granularity import coupled_channels
from kprune.runtime import checks, fit_arguments, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.training import fitting_data


@checked(
    train=fit_arguments.training_data,
    validation_data=checks.optional(fit_arguments.validation_data),
    steps_per_epoch=checks.optional(checks.at_least(1)),
    every=checks.at_least(1),
    threshold=checks.within("(0, inf)"),
    strength=checks.optional(checks.within("(0, inf)")),
    batch_multiple=checks.optional(checks.at_least(1)),
)
def prune_train(
    model: types.Model,
    train: tf.data.Dataset | Callable[[int], tf.data.Dataset],
    epochs: int,
    *,
    every: int = 10,
    threshold: float = 1e-4,
    ratio: float | None = 0.2,
    strength: float | None = None,
    weighted: bool = False,
    batch_multiple: int | None = None,
    steps_per_epoch: int | None = None,
    callbacks: Sequence[types.Callback] = (),
    validation_data: types.Data | None = None,
    verbose: str | int = "auto",
) -> tuple[types.Model, dict[str, list[float]]]:
    """Trains with a group lasso, and removes channels as they become zero.

    Every `every` epochs, and at the end, a channel is removed if all entries
    that produce or read it, in all kernels, are smaller than `threshold`;
    channels tied by a residual connection are removed only together.
    `kprune.shrink` removes them and cuts the optimizer's state to match, so
    that momenta and learning rate schedules continue. The last channel of a
    layer stays, even if it is small.

    With `batch_multiple`, batches grow into the memory that smaller layers
    leave, and the learning rate grows by the same ratio. A killed run starts
    over.

    Args:
        model: A compiled Keras model, a graph of layers. Trained in place
            until the first channels are removed, and returned itself if none
            are.
        train: A `tf.data.Dataset` of batches, or a function that returns an
            endless one from a given step, counted over all epochs.
        epochs: Integer >= 1.
        every: Integer >= 1, epochs between two removals. The paper has 10, on
            ImageNet 5. Defaults to 10.
        threshold: Number > 0. Defaults to 1e-4.
        ratio, strength, weighted: As for
            `kprune.callbacks.regularization.GroupLasso`, whose strength is set
            on the first batch and then stays.
        batch_multiple: Integer >= 1. After each removal the batch becomes the
            largest multiple of it with which a step takes no more memory than
            one of the first model: weights, gradients, optimizer state and
            layer outputs. The optimizer's learning rate must be a number.
            Defaults to `None`: batches keep their size.
        steps_per_epoch: Integer, required if `train` is a function. Batches
            of the first size count.
        callbacks: List of callbacks for `fit`, which is called once every
            `every` epochs.
        validation_data, verbose: As for `fit`.

    Returns:
        The smaller model, compiled, and the history, a dict of lists with one
        number per epoch: Keras' metrics, and the `parameters` and
        `multiply_adds` left after it (the latter only if they can be counted),
        and, with `batch_multiple`, the `batch_size`.

    Raises:
        ValueError: If an argument is invalid, or the model is not compiled, is
            not a graph of layers, has masks, or has an optimizer whose state
            cannot be carried over.

    Example:

    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss)
    >>> small, history = kprune.callbacks.regularization.prune_train(
    ...     model, train, epochs=2, every=1, threshold=0.01, verbose=0)
    >>> history["parameters"][-1] == small.count_params()
    True
    """
    _check(model, train, steps_per_epoch)
    for name, data in (("train", train), ("validation_data", validation_data)):
        if data is not None and not callable(data):
            fitting_data.check(model, data, name)
    first = (train(0) if callable(train) else train).take(1)
    batches = growing_batches(model, first, batch_multiple)
    by_ratio = {"ratio": ratio, "data": first} if strength is None else {}
    lasso = GroupLasso(strength, weighted=weighted, **by_ratio)
    history: dict[str, list[float]] = {}
    for start in range(0, epochs, every):
        end = min(start + every, epochs)
        done = start * (steps_per_epoch or 0)
        data, steps = train, steps_per_epoch
        if callable(train):
            data = fit_arguments.from_step(train, done)
        if batches:
            data, steps = batches.rebatch(data, steps)
        trained = model.fit(
            data,
            epochs=end,
            initial_epoch=start,
            steps_per_epoch=steps,
            validation_data=validation_data,
            callbacks=[lasso, *callbacks],
            verbose=verbose,
        )
        stopped = model.stop_training
        sizes = [_sizes(model)] * (len(trained.epoch) - 1)
        model = _without_sparse_channels(model, threshold)
        sizes.append(_sizes(model))
        _extend(history, trained.history)
        if batches:
            _extend(history, {"batch_size": [batches.size] * len(sizes)})
            batches.grow(model)
        for size in sizes:
            _extend(history, {name: [value] for name, value in size.items()})
        if stopped:
            break
    return model, history


def sparse_channels(model, threshold):
    """Returns which groups of channels have only entries below a threshold.

    Returns:
        Boolean array over the groups of `channels.build_channel_map(model)`.
        It never marks all groups of a kernel's inputs or outputs.
    """
    found, kernels = channels.build_channel_map(model), weights.prunable(model)
    largest = np.zeros(found.size)
    for _, axis, sizes in _slices(found, kernels):
        np.maximum.at(largest, axis.groups, sizes)
    gone = largest < threshold
    gone &= coupled_channels.may_go(found, model, list(kernels), False)
    for _, axis, _ in _slices(found, kernels):
        if gone[axis.groups].all():
            gone[axis.groups[np.argmax(largest[axis.groups])]] = False
    return gone


def _slices(found, kernels):
    """Yields (weight, axis, largest magnitude at each index along it)."""
    for name, weight in kernels.items():
        values = np.abs(keras.ops.convert_to_numpy(weight.variable))
        for axis in found.axes.get(name, ()):
            others = [a for a in range(values.ndim) if a != axis.number]
            yield weight, axis, values.max(tuple(others))


def _without_sparse_channels(model, threshold):
    gone = sparse_channels(model, threshold)
    if not gone.any():
        return model
    found, kernels = channels.build_channel_map(model), weights.prunable(model)
    for weight, axis, _ in list(_slices(found, kernels)):
        along = [1] * len(weight.layout.shape)
        along[axis.number] = -1
        stays = ~gone[axis.groups].reshape(along)
        values = keras.ops.convert_to_numpy(weight.variable)
        weight.variable.assign(np.where(stays, values, 0))
    with cloning.strategy_scope(model):
        return shrink(model, carry_optimizer=True, verbose=0)


def _sizes(model):
    sizes = {"parameters": model.count_params()}
    uses = costs.count_uses(model)
    counted = [
        (uses.get(id(weight.variable)), weight.layout.size)
        for weight in weights.find(model)
    ]
    if all(times is not None for times, _ in counted):
        sizes["multiply_adds"] = sum(math.prod(pair) for pair in counted)
    return sizes


def _extend(history, more):
    for name, values in more.items():
        history.setdefault(name, []).extend(values)


def _check(model, train, steps_per_epoch):
    optimizer_state.check(model)
    if any(weight.mask is not None for weight in weights.find(model)):
        raise ValueError(
            f"Model {model.name!r} has masks, which would go with the first "
            "channels that are taken out. Expected one without: see "
            "`kprune.strip`."
        )
    if callable(train):
        why = ", the length of an epoch, as a function gives endless data"
        checks.integer("steps_per_epoch", steps_per_epoch, 1, why)


METHOD = Method(
    "prune_train",
    title="PruneTrain",
    call="kprune.callbacks.regularization.prune_train(model, train, epochs=30)",
    paper="Lym et al., 2019",
    link="https://arxiv.org/abs/1901.09290",
    test="tests/callbacks/test_prune_train.py::"
    "test_tied_channels_go_only_if_sparse_in_every_member",
    deviation="batches grow with `batch_multiple` only; the memory of a step "
    "is counted, not measured",
)
