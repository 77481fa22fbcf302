"""The methods of the literature, as choices on the four axes.

Each function returns a `kprune.Pruner`. Any axis can still be replaced where
the method is named. Methods that prune while the model trains are rows too;
they are given to a callback.
"""

import inspect

from kprune.pruning import criteria
from kprune.pruning.chain import Chain
from kprune.pruning.pruner import AXES, Pruner
from kprune.pruning.recipes import (
    channels,
    neurons,
    single_weights,
    tickets,
    while_training,
)
from kprune.pruning.recipes.channels import bn_gamma, three_sp
from kprune.pruning.recipes.neurons import (
    linear_ossum,
    linear_ossum_norm,
    log_ossum,
    log_ossum_norm,
    neuron_norm,
    neuron_random,
    ossum,
    ossum_norm,
)
from kprune.pruning.recipes.single_weights import (
    force,
    grasp,
    grasp_it,
    iter_snip,
    magnitude,
    prospr,
    random,
    snip,
    synflow,
)
from kprune.pruning.recipes.tickets import hybrid_tickets, random_tickets
from kprune.pruning.recipes.while_training import EpochSchedule, asni, gmp
from kprune.runtime import checks, lookup

__all__ = [
    "EpochSchedule",
    "asni",
    "bn_gamma",
    "callback_of",
    "force",
    "get",
    "gmp",
    "gradual",
    "gradual_methods",
    "grasp",
    "grasp_it",
    "hybrid_tickets",
    "iter_snip",
    "linear_ossum",
    "linear_ossum_norm",
    "log_ossum",
    "log_ossum_norm",
    "magnitude",
    "methods",
    "neuron_norm",
    "neuron_random",
    "ossum",
    "ossum_norm",
    "prospr",
    "random",
    "random_tickets",
    "snip",
    "synflow",
    "three_sp",
]

METHODS = {
    **single_weights.METHODS,
    **channels.METHODS,
    **neurons.METHODS,
    **tickets.METHODS,
}
GRADUAL = while_training.METHODS
DYNAMIC = ("set", "deepr", "soft_deepr", "dsr", "snfs", "rigl", "dns", "static")


def methods():
    """Returns the names that can be given as `method=`.

    A criterion without a recipe of its own is a method too: one round, global.
    """
    return sorted({*METHODS, *criteria.names()})


def gradual_methods():
    """Returns the names that `GradualPruning` takes and `prune` does not."""
    return sorted(GRADUAL)


def callback_of(method):
    """Returns the name of the callback that a method is for.

    Args:
        method: A method's name, or anything that `prune` takes.

    Returns:
        `"GradualPruning"`, `"DynamicSparseTraining"`, or `None` of a method
        that prunes before training.
    """
    if not isinstance(method, str):
        return None
    if method in GRADUAL:
        return "GradualPruning"
    return "DynamicSparseTraining" if method in DYNAMIC else None


def get(method, **options):
    """Returns the pruner that a method stands for.

    Args:
        method: A method's name, a `Pruner`, or a criterion function.
        **options: Options of the method, and axes of `kprune.Pruner` that
            replace its own: `AXES`. An axis that is `None` stays.

    Raises:
        ValueError: If there is no such method or option, or it is one that
            prunes during training.
    """
    if isinstance(method, (Pruner, Chain)):
        own, axes = _split(options, ())
        checks.no_options(own, "a Pruner")
        return method.with_axes(**axes)
    callback = callback_of(method)
    if callback is not None:
        raise ValueError(
            f"Method {method!r} prunes during training. Give a model that is "
            "wrapped (`kprune.wrap`) or pruned to a callback: `model.fit(..., "
            f"callbacks=[kprune.callbacks.{callback}({method!r}, ...)])`."
        )
    if isinstance(method, str) and method in METHODS:
        return _made(METHODS[method], method, options)
    if not callable(method) and method not in criteria.names():
        known = [*methods(), *GRADUAL, *DYNAMIC]
        raise ValueError(lookup.unknown(method, known, "method"))
    criterion = criteria.get(method)
    own, axes = _split(options, [*inspect.signature(criterion).parameters][3:])
    return Pruner(criteria.get(method, **own)).with_axes(**axes)


def gradual(method, **options):
    """Returns what a method prunes by while the model trains.

    Args:
        method: As for `get`, or the name of a method of `GradualPruning`.
        **options: As for `get`.

    Returns:
        A `Pruner`, of which each update is one round, or a `EpochSchedule`.

    Raises:
        ValueError: If there is no such method or option.
    """
    if isinstance(method, str) and method in GRADUAL:
        return _made(GRADUAL[method], method, options)
    return get(method, **options)


def _made(recipe, method, options):
    """Calls a recipe, or says which of its options are unknown."""
    known = inspect.signature(recipe).parameters
    own, axes = _split(options, known)
    lookup.check_options(own, [*known, *AXES], f"method {method!r}")
    return recipe(**own).with_axes(**axes)


def _split(options, own):
    """Returns a method's own options, and the axes that are given."""
    axes = [name for name in AXES if name in options and name not in own]
    given = {n: options[n] for n in axes if options[n] is not None}
    return {n: v for n, v in options.items() if n not in axes}, given
