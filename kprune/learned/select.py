"""`select`: freezes the weights and learns which of them to use."""

import inspect

from kprune.runtime import checks, lookup, methods
from kprune.runtime.doors import checked


@checked(method=None, sparsity=None)
def select(model, method, sparsity=None, *, seed=0, **options):
    """Returns a model whose weights are frozen, and a score of each is trained.

    `kprune.strip` gives the plain network of what was chosen,
    `kprune.learned.to_masked` one with masks, to train its weights.

    Args:
        model: A built Keras model without masks. It is left as it was.
        method: String: `"edge_popup"`, `"biprop"` or `"supermask"`, for the
            functions of these names in `kprune.learned`.
        sparsity: Share of each weight to leave out, in [0, 1). Of a supermask
            it is an outcome and must be left out here.
        seed: Integer >= 0.
        **options: Further arguments of the function.

    Returns:
        A Keras model, compiled alike with a fresh optimizer if `model` is.

    Raises:
        ValueError: If there is no such method or option, or an argument does
            not fit.

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
    why = "None: of a supermask it is an outcome that "
    why += "`kprune.learned.sparsity` tells"
    checks.require(sparsity is None, "sparsity", sparsity, why)
    return function(model, seed=seed, **options)
