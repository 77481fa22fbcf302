"""Runs a method under a sanity check: `config.pruner.check`.

shuffle, random_same_counts, invert, reinitialize, shuffle_weights
                     as in `kprune.sanity.checked`
corrupt_data         scores on random labels and shuffled pixels
"""

import inspect

from kprune.analysis import sanity
from kprune.experiment.config import DENSE, TICKET
from kprune.pruning.prune import prune
from kprune.runtime import lookup, own_names
from kprune.runtime.methods import methods

CORRUPT_DATA = "corrupt_data"
# The checks of a ticket need its masks or weights only: its method is unknown.
OF_MASKS = {
    "shuffle": sanity.shuffle,
    "random_same_counts": sanity.random_same_counts,
}
OF_WEIGHTS = {
    "reinitialize": sanity.reinitialize,
    "shuffle_weights": sanity.shuffle_weights,
}


def checks() -> list[str]:
    """Returns the names that `config.pruner.check` accepts, sorted."""
    return sorted([*sanity.CHECKS, CORRUPT_DATA])


def refuse_unfit(method, check):
    """Raises `ValueError` unless `check`, a name or `None`, fits a method."""
    if check is None:
        return
    lookup.choose(check, dict.fromkeys(checks()), "sanity check")
    before = method in (TICKET, *methods("prune"))
    if not before and not own_names.is_name(method):
        dense = method == DENSE
        why = "prunes nothing" if dense else "prunes while the model trains"
        raise ValueError(
            "Sanity checks are for methods that prune before training. "
            f"Received: check={check!r} of {method!r}, which {why}."
        )
    if method == TICKET:
        what = "check of a ticket, which takes the masks of another run"
        lookup.choose(check, {**OF_MASKS, **OF_WEIGHTS}, what)


def prune_checked(model, method, check, data, loss, **arguments):
    """Returns a model pruned by a method under a check, one of `checks()`.

    Other arguments are those of `kprune.prune`.

    Raises:
        ValueError: As `kprune.prune` does, or if `check` corrupts the data
            and the method reads none.
    """
    if check == CORRUPT_DATA:
        read = []
        for how in ("labels", "pixels"):
            data = sanity.corrupt(data, how, arguments["seed"])
        arguments.update(data=_counted(data, read), loss=loss)
        pruned = prune(model, method, **arguments)
        if not read:
            raise ValueError(
                f"Method {method!r} looks at no data, so that corrupted data "
                "makes no difference to it. Leave out this check."
            )
        return pruned
    known = inspect.signature(prune).parameters
    options = {k: v for k, v in arguments.items() if k not in known}
    rest = {k: v for k, v in arguments.items() if k in known}
    checked = sanity.checked(method, check, **options)
    return prune(model, checked, data=data, loss=loss, **rest)


def _counted(batches, read):
    for batch in batches:
        read.append(1)
        yield batch
