"""The methods of the literature, as choices on the four axes.

Each function returns a `kprune.Pruner`. Any axis can still be replaced in the
call of `prune`. Methods that prune while the model trains are rows too; they
are given to a callback.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable

from kprune import criteria, lookup, schedules
from kprune.granularity import Channel
from kprune.probe import Probe
from kprune.pruner import Pruner
from kprune.redraw import redrawn


def random():
    """Random scores, ranked over the whole model."""
    return Pruner("random")


def magnitude():
    """Smallest absolute values first, ranked over the whole model."""
    return Pruner("magnitude")


def snip(released_code=False):
    """SNIP, Lee et al., 2019: one round of connection sensitivity.

    Several batches make it multi-batch SNIP, the baseline of FORCE.

    Args:
        released_code: Whether to score a fresh draw of the weights, by
            Glorot's normal law, and set its masks on the weights that are
            there, as released codes do. The paper scores what it trains.
    """
    if released_code:
        return Pruner(redrawn("snip"), count="floor_keep")
    return Pruner("snip")


def grasp(temperature=None, absolute=False, released_code=False):
    """GraSP, Wang et al., 2020: one round of gradient signal preservation.

    Args:
        temperature: Float > 0 that logits are divided by. Defaults to 200.
        absolute: Whether to rank by |score|, another method.
        released_code: Whether to score dense layers at a fresh draw by
            Glorot's normal law, as the released code does.
    """
    criterion = criteria.get(
        "grasp", temperature=temperature, absolute=absolute
    )
    if released_code:
        return Pruner(redrawn(criterion, dense_only=True), count="floor_remove")
    return Pruner(criterion)


def grasp_it():
    """GraSP-It, de Jorge et al., 2021: sixty rounds of squared gradients."""
    return _iterated("grasp_it")


def synflow():
    """SynFlow, Tanaka et al., 2020: a hundred rounds of synaptic flow."""
    return Pruner("synflow", schedule="exponential", rounds=100)


def iter_snip(released_code=False):
    """Iter-SNIP, de Jorge et al., 2021: sixty rounds of SNIP, one-way.

    What is pruned stays pruned. The first version of the paper
    (arXiv:2006.09081v1) calls this method FORCE: its tables of "FORCE" are
    met by `iter_snip`.

    Args:
        released_code: Whether to differentiate minus the true class's logit
            where the paper says the loss, and to truncate counts.
    """
    return _iterated("snip", released_code=released_code)


def force(released_code=False):
    """FORCE, de Jorge et al., 2021: sixty rounds of SNIP, two-way.

    A weight pruned in one round is scored again at the sparse network and may
    return in a later one. This is FORCE as published at ICLR and in the
    released code; the first version of the paper calls `iter_snip` so.

    Args:
        released_code: Whether to differentiate minus the true class's logit
            where the paper says the loss, and to truncate counts.
    """
    return _iterated("snip", recover=True, released_code=released_code)


def prospr(
    inner_steps=3,
    inner_learning_rate=0.1,
    inner_momentum=0.0,
    first_order=False,
    fresh_batches=True,
    structured=False,
    unrolled=False,
    released_code=False,
):
    """ProsPr, Alizadeh et al., 2022: one round of meta-gradients.

    Args:
        inner_steps: Integer >= 0, the steps of training looked ahead.
        inner_learning_rate: Float > 0.
        inner_momentum: Float in [0, 1).
        first_order: Whether to leave out the Hessians, for many steps.
        fresh_batches: Whether each step takes the next batch of the data.
        structured: Whether to remove output channels, by the meta-gradient
            of a gate on each.
        unrolled: Whether to backpropagate through the steps: the same
            numbers in less time, with memory that grows with the steps.
        released_code: Whether the momentum of the first step counts as a
            constant and counts are rounded up, as in the released code. Its
            default is also `fresh_batches=False`.
    """
    criterion = criteria.get(
        "prospr",
        inner_steps=inner_steps,
        inner_learning_rate=inner_learning_rate,
        inner_momentum=inner_momentum,
        first_order=first_order,
        fresh_batches=fresh_batches,
        signed=structured,
        detached=released_code,
        unrolled=unrolled,
    )
    return Pruner(
        criterion,
        granularity=Channel(reduce="abs_sum") if structured else "weight",
        count="ceil_keep" if released_code else "round",
    )


@dataclasses.dataclass(frozen=True)
class ByEpoch:
    """A method that says itself how sparse a model is after each epoch.

    Args:
        pruner: The `Pruner` of which each update is a round.
        sparsity: Function of (epoch, epochs) to the sparsity after an epoch,
            the first one being 1.
        last_epoch: Function of the number of epochs to the last one that is
            pruned after.
    """

    pruner: Pruner
    sparsity: Callable
    last_epoch: Callable


def gmp(power=3, recover=False):
    """Gradual magnitude pruning, Zhu & Gupta, 2017: cubic, per layer.

    For `kprune.callbacks.GradualPruning`.

    Args:
        power: Number > 0, the exponent of the schedule.
        recover: Whether a weight may return once others are smaller than it
            was when it was removed.
    """
    if not isinstance(power, (int, float)) or not power > 0:
        raise ValueError(
            "Invalid value for argument `power`. Expected a number > 0. "
            f"Received: power={power!r}"
        )
    return Pruner(
        "magnitude",
        allocation="uniform",
        schedule=schedules.get("cubic", power=power),
        recover=recover,
    )


def asni(alpha=98.0, beta=0.5, gamma=5.0, last_prune_epoch=None):
    """ASNI, Damadi et al., 2022: a sigmoid over the epochs, whole model.

    For `kprune.callbacks.GradualPruning`, which prunes after each epoch e = 1
    .. E to alpha sigma((e - beta E) / gamma) percent.

    Args:
        alpha: Number in (0, 100], what the sparsity rises to, in percent.
        beta: Number, the share of the epochs after which it rises most.
        gamma: Number > 0, epochs: the larger, the slower it rises.
        last_prune_epoch: Integer >= 1, the last epoch to prune after.
            Defaults to E - 2: the paper's algorithm says E, and the numbers
            of weights that it prints are those of E - 2.
    """
    if not 0 < alpha <= 100 or not gamma > 0:
        raise ValueError(
            "Expected `alpha` in (0, 100], in percent, and `gamma` above 0, "
            f"in epochs. Received: alpha={alpha!r}, gamma={gamma!r}"
        )
    if last_prune_epoch is not None and (
        not isinstance(last_prune_epoch, int) or last_prune_epoch < 1
    ):
        raise ValueError(
            "Invalid value for argument `last_prune_epoch`. Expected an "
            "integer >= 1, the first epoch being 1. Received: "
            f"last_prune_epoch={last_prune_epoch!r}"
        )
    return ByEpoch(
        Pruner("magnitude"),
        functools.partial(schedules.asni, alpha=alpha, beta=beta, gamma=gamma),
        lambda epochs: last_prune_epoch or max(1, epochs - 2),
    )


def _iterated(criterion, recover=False, released_code=False):
    return Pruner(
        criterion,
        schedule="exponential",
        rounds=60,
        recover=recover,
        fresh_batches=True,
        probe=Probe(objective="neg_logit") if released_code else None,
        count="floor_keep" if released_code else "round",
    )


METHODS = {
    f.__name__: f
    for f in (
        random,
        magnitude,
        snip,
        grasp,
        grasp_it,
        synflow,
        iter_snip,
        force,
        prospr,
    )
}


GRADUAL = {f.__name__: f for f in (gmp, asni)}
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
        **options: Options of the method.

    Raises:
        ValueError: If there is no such method or option, or it is one that
            prunes during training.
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
    callback = callback_of(method)
    if callback is not None:
        raise ValueError(
            f"Method {method!r} prunes during training. Give a model that is "
            "wrapped (`kprune.wrap`) or pruned to a callback: `model.fit(..., "
            f"callbacks=[kprune.callbacks.{callback}({method!r}, ...)])`."
        )
    if method not in METHODS:
        if method in criteria.names():
            return Pruner(criteria.get(method, **options))
        known = [*methods(), *GRADUAL, *DYNAMIC]
        raise ValueError(lookup.unknown(method, known, "method"))
    return _made(METHODS[method], method, options, "prune")


def gradual(method, **options):
    """Returns what a method prunes by while the model trains.

    Args:
        method: As for `get`, or the name of a method of `GradualPruning`.
        **options: Options of the method.

    Returns:
        A `Pruner`, of which each update is one round, or a `ByEpoch`.

    Raises:
        ValueError: If there is no such method or option.
    """
    if isinstance(method, str) and method in GRADUAL:
        recipe = GRADUAL[method]
        return _made(recipe, method, options, "GradualPruning")
    return get(method, **options)


def _made(recipe, method, options, call):
    """Calls a recipe, or says which of its options are unknown."""
    known = inspect.signature(recipe).parameters
    for name in options:
        if name not in known:
            arguments = [f"{one} (of {call})" for one in _ARGUMENTS[call]]
            raise ValueError(
                lookup.unknown(
                    name, [*known, *arguments], f"option of method {method!r}"
                )
            )
    return recipe(**options)


_ARGUMENTS = {
    "prune": ("granularity", "allocation", "schedule", "rounds", "exclude"),
    "GradualPruning": ("begin", "end", "every", "allocation", "exclude"),
}
