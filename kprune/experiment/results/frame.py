"""Finished runs as a table of pandas."""

import os

from kprune.experiment import identity
from kprune.experiment.results import runs as runs_
from kprune.runtime import extras
from kprune.runtime.doors import checked


def _places(name, value):
    """Returns a list of paths, of one or of several."""
    one = isinstance(value, str | os.PathLike)
    places = [value] if one else value
    if not isinstance(places, list | tuple) or not places:
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected the path of a "
            f"directory, or a list of them. Received: {value!r}"
        )
    for place in places:
        if not isinstance(place, str | os.PathLike):
            raise ValueError(
                f"Invalid value for argument `{name}`. Expected paths of "
                f"directories. Received: {place!r}"
            )
    return list(places)


@checked(runs=_places)
def read_results(runs):
    """Returns the finished runs in some directories as a `pandas.DataFrame`.

    It needs pandas: `pip install "kprune[results]"`.

    Args:
        runs: Path of a directory, or a list of them. All runs in and below
            them are read.

    Returns:
        A `pandas.DataFrame` with a row for each run, by path: `path`,
        `dataset`, `network`, `method`, `check`, `sparsity` (as asked for),
        `seed`; then the result, with what was reached as
        `reached_sparsity`; then what else differs from the defaults in any of
        the runs, by dotted key.

    Raises:
        ValueError: If there is no such directory, no finished run in it, or
            pandas is missing.

    Example:

    >>> found = kprune.experiment.read_results("runs/mnist")
    >>> found.groupby(["method", "sparsity"]).test_accuracy.mean()
    """
    pandas = extras.load("pandas", "`read_results`")
    runs = _places("runs", runs)
    found = runs_.find(runs).finished
    if not found:
        raise ValueError(f"No finished run in {', '.join(map(str, runs))}.")
    return pandas.DataFrame([_row(run) for run in found])


def _row(run):
    config, result = run.config, dict(run.result)
    if "sparsity" in result:
        result["reached_sparsity"] = result.pop("sparsity")
    row = {
        "path": str(run.path),
        "dataset": config.dataset.name,
        "network": config.model.name,
        "method": config.pruner.method,
        "check": config.pruner.check,
        "sparsity": config.pruner.sparsity,
        "seed": config.seed,
        **result,
    }
    told = ("seed", "dataset.name", "model.name")
    told += ("pruner.method", "pruner.check", "pruner.sparsity")
    settings = identity.settings(config)
    return row | {k: v for k, v in settings.items() if k not in told}
