"""Places a method in a run: before training, during it, or from a run.

dense               nothing is pruned
snip, grasp ...     `kprune.prune`, before the first step
gmp, asni           `kprune.callbacks.GradualPruning`
rigl, set ...       random masks, then
                    `kprune.callbacks.DynamicSparseTraining`
ticket              the masks of a finished run

A sanity check (`checking`) modifies a method that prunes before training, or
a ticket.
"""

import dataclasses
import inspect
import pathlib

import keras

from kprune.callbacks import DynamicSparseTraining, GradualPruning
from kprune.experiment import checking, directory
from kprune.experiment.config import DENSE, TICKET
from kprune.masking import masks, wrapping
from kprune.pruning import kept_weights, schedules
from kprune.pruning.prune import prune
from kprune.runtime import checks, lookup, own_names, saved_models
from kprune.runtime import methods as table


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A model to compile and the callbacks that prune while it trains.

    The model has masks unless the method is `"dense"`.
    """

    model: keras.Model
    callbacks: list = dataclasses.field(default_factory=list)


def methods() -> list[str]:
    """Returns the names that `config.pruner.method` accepts, sorted."""
    entries = ("prune", "GradualPruning", "DynamicSparseTraining")
    return sorted({DENSE, TICKET}.union(*map(table.methods, entries)))


def prepare(model, method, arguments, data, loss, resumes):
    """Returns an initialized model with masks, as a `Prepared`.

    Args:
        model, data, loss: As for `kprune.prune`.
        method: String, one of `methods()`.
        arguments: Dict of the arguments and options of the method.
        resumes: Whether a checkpoint will restore the masks, so that none are
            computed here.
    """
    if not own_names.is_name(method):
        lookup.choose(method, dict.fromkeys(methods()), "method")
    check = arguments.get("check")
    checking.refuse_unfit(method, check)
    # `kprune.prune` takes these as `scoring`.
    names = [n for n in ("batches", "batch_norm") if n in arguments]
    scoring = {name: arguments.pop(name) for name in names}
    verbose = arguments.pop("verbose")
    if method == DENSE:
        return Prepared(model)
    if method in table.methods("GradualPruning"):
        callback = _gradual(method, arguments)
        return Prepared(wrapping.wrap(model), [callback])
    if method in table.methods("DynamicSparseTraining"):
        return _dynamic(model, method, arguments, resumes)
    if resumes:
        return Prepared(wrapping.wrap(model))
    if method == TICKET:
        known = list(inspect.signature(_from_run).parameters)[1:]
        lookup.check_options(arguments, known, "the method 'ticket'")
        return Prepared(_from_run(model, **arguments))
    arguments.update(data=data, loss=loss, scoring=scoring, verbose=verbose)
    if check is None:
        return Prepared(prune(model, method, **arguments))
    return Prepared(checking.prune_checked(model, method, **arguments))


def _gradual(method, arguments):
    """Returns the callback. Two options exist only in configs:

    initial_sparsity  the sparsity that its schedule starts at
    live              whether removed weights that may return keep their values
    """
    initial = arguments.pop("initial_sparsity", None)
    live = arguments.pop("live", None)
    if live is not None:
        recovers = arguments.get("recover")
        checks.require(recovers, "live", live, "it with `recover` alone")
        arguments["recover"] = True if live else "zeros"
    callback = GradualPruning(method, **arguments)
    if initial is None:
        return callback
    schedule = schedules.get(callback.pruner.schedule, initial=initial)
    return GradualPruning(method, **{**arguments, "schedule": schedule})


# Arguments of the random masks that training starts with.
_OF_THE_START = (
    "allocation",
    "exclude",
    "granularity",
    "min_kept",
    "on_collapse",
    "sparsity",
)


def _dynamic(model, method, arguments, resumes):
    """Returns the model with random masks, and the callback that rewires them.

    Methods that reach the sparsity by themselves start dense, or at
    `initial_sparsity`.
    """
    start = {"allocation": "erk", "seed": arguments["seed"]}
    given = [name for name in _OF_THE_START if name in arguments]
    start.update((name, arguments.pop(name)) for name in given)
    build = table.methods("DynamicSparseTraining")[method].build
    if "sparsity" in inspect.signature(build).parameters:
        arguments["sparsity"] = start["sparsity"]
        start["sparsity"] = arguments.pop("initial_sparsity", 0.0)
    callback = DynamicSparseTraining(method, **arguments)
    if resumes:
        return Prepared(wrapping.wrap(model), [callback])
    return Prepared(prune(model, "random", **start), [callback])


def _from_run(model, run, weights="original", seed=0, check=None):
    """Returns the model with the masks of a finished run, under a check if any.

    `weights="original"` keeps the weights of the model, `"centroids"` sets
    them to the two centroids per layer of the run's weights, and `"trained"`
    takes the run's final weights.
    """
    run = pathlib.Path(run)
    ways = dict.fromkeys(("original", "centroids", "trained"))
    lookup.choose(weights, ways, "option `weights` of the method 'ticket'")
    if not directory.is_done(run):
        raise ValueError(f"{run} does not hold a finished run.")
    for name in [directory.MASKS] + [directory.MODEL] * (weights != "original"):
        if not (run / name).exists():
            raise ValueError(
                f"{run} has no {name}. Expected a pruned run, with "
                "`config.artifacts` on if its weights are used."
            )
    found = masks.load(run / directory.MASKS)
    if check in checking.OF_MASKS:
        if weights != "original":
            raise ValueError(
                f"The check {check!r} keeps weights that the run has removed, "
                "and that were not trained there. Expected the option "
                f"weights='original'. Received: weights={weights!r}"
            )
        found = checking.OF_MASKS[check](found, seed)
    wrapped = wrapping.wrap(model)
    wrapping.set_masks(wrapped, found)
    if weights != "original":
        _take_weights(wrapped, run, weights)
    if check in checking.OF_WEIGHTS:
        checking.OF_WEIGHTS[check](wrapped, seed)
    return wrapped


def _take_weights(wrapped, run, weights):
    """Sets the final weights of a run, or their centroids."""
    trained = saved_models.load(run / directory.MODEL, compile=False)
    kept = wrapping.wrap(trained)
    wrapping.set_masks(kept, masks.load(run / directory.MASKS))
    if weights == "centroids":
        kept_weights.centroids(kept).apply(wrapped)
    else:
        wrapped.set_weights(kept.get_weights())
