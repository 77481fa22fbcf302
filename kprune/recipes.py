"""The methods of the literature, as choices on the four axes.

Each function returns a `kprune.Pruner`. Any axis can still be replaced in the
call of `prune`.
"""

import functools
import inspect

from kprune import criteria, lookup
from kprune.pruner import Pruner


def random():
    """Random scores, ranked over the whole model."""
    return Pruner("random")


def magnitude():
    """Smallest absolute values first, ranked over the whole model."""
    return Pruner("magnitude")


def snip():
    """SNIP, Lee et al., 2019: one round of connection sensitivity."""
    return Pruner("snip")


def grasp(temperature=200.0):
    """GraSP, Wang et al., 2020: one round of gradient signal preservation.

    Args:
        temperature: Float > 0 that logits are divided by.
    """
    return Pruner(criteria.get("grasp", temperature=temperature))


def synflow():
    """SynFlow, Tanaka et al., 2020: a hundred rounds of synaptic flow."""
    return Pruner("synflow", schedule="exponential", rounds=100)


METHODS = {f.__name__: f for f in (random, magnitude, snip, grasp, synflow)}


def methods():
    """Returns the names that can be given as `method=`.

    A criterion without a recipe of its own is a method too: one round, global.
    """
    return sorted({*METHODS, *criteria.names()})


def get(method, **options):
    """Returns the pruner that a method stands for.

    Args:
        method: A method's name, a `Pruner`, or a criterion function.
        **options: Options of the method.

    Raises:
        ValueError: If there is no such method or option.
    """
    if isinstance(method, Pruner):
        if options:
            raise ValueError(
                "Options belong to a method given by name. Received a Pruner "
                f"and the options {sorted(options)}."
            )
        return method
    if callable(method):
        return Pruner(criteria.get(method, **options))
    if method not in METHODS:
        if method in criteria.names():
            return Pruner(criteria.get(method, **options))
        raise ValueError(lookup.unknown(method, methods(), "method"))
    recipe = METHODS[method]
    known = inspect.signature(recipe).parameters
    for name in options:
        if name not in known:
            axes = [f"{axis} (of prune)" for axis in _ARGUMENTS]
            raise ValueError(
                lookup.unknown(
                    name, [*known, *axes], f"option of method {method!r}"
                )
            )
    return functools.partial(recipe, **options)()


_ARGUMENTS = ("granularity", "allocation", "schedule", "rounds", "exclude")
