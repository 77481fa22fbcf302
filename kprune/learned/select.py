"""`select`: freezes the weights and learns which of them to use."""

import inspect
from typing import Any

from kprune.runtime import checks, lookup, methods, types
from kprune.runtime.doors import checked


@checked(method=None, sparsity=None)
def select(
    model: types.Model,
    method: str,
    sparsity: float | None = None,
    *,
    seed: int = 0,
    **options: Any,
) -> types.Model:
    """Returns a model with frozen weights and a trainable score of each.

    `kprune.strip` returns the plain network of the selected weights,
    `kprune.learned.to_masked` a model with masks, to train these weights.

    Args:
        model: A built Keras model without masks. It is not modified.
        method: String: `"edge_popup"`, `"biprop"`, `"supermask"` or
            `"gem_miner"`, for the functions of these names in
            `kprune.learned`.
        sparsity: Share of each weight to leave out, in [0, 1). Must be `None`
            for `"supermask"` and `"gem_miner"`, whose sparsity is an outcome.
        seed: Integer >= 0. Defaults to 0.
        **options: Further arguments of the function.

    Returns:
        A Keras model, compiled like `model` with a fresh optimizer if `model`
        is compiled.

    Raises:
        ValueError: If the method or an option is unknown, or an argument is
            invalid.

    Example:

    >>> net = kprune.select(model, "edge_popup", sparsity=0.5)
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> net.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss)
    >>> history = net.fit(train.take(2), verbose=0)
    >>> plain = kprune.strip(net)
    """
    function = methods.find(method, "select").build
    known = inspect.signature(function).parameters
    taken = [n for n in known if n not in ("model", "sparsity", "seed")]
    lookup.check_options(options, taken, method)
    if "sparsity" in known:
        return function(model, sparsity, seed=seed, **options)
    why = f"None: with {method!r} it is an outcome that "
    why += "`kprune.learned.sparsity` tells"
    checks.require(sparsity is None, "sparsity", sparsity, why)
    return function(model, seed=seed, **options)
