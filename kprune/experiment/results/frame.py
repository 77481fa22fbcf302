"""Reads finished runs into a pandas DataFrame."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kprune.experiment import identity
from kprune.experiment.results import runs as runs_
from kprune.runtime import extras, types
from kprune.runtime.doors import checked

if TYPE_CHECKING:
    import pandas


def _places(name, value) -> list[Any]:
    """Returns a list of paths, from one or several."""
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
def read_results(
    runs: types.Path | Sequence[types.Path],
) -> "pandas.DataFrame":
    """Returns the finished runs in directories as a `pandas.DataFrame`.

    It needs pandas: `pip install "kprune[results]"`.

    Args:
        runs: Path of a directory, or a list of them. It reads all runs in and
            below them.

    Returns:
        A `pandas.DataFrame` with a row for each run. Its columns are `path`,
        `dataset`, `network`, `method`, `check`, `sparsity` (as configured)
        and `seed`; then the result, whose sparsity is `reached_sparsity`; then
        the other settings that differ from the defaults in any of the runs, by
        dotted key.

    Raises:
        ValueError: If a directory does not exist, none holds a finished run,
            or pandas is missing.

    Example:

        found = kprune.experiment.read_results("runs/mnist")
        found.groupby(["method", "sparsity"]).test_accuracy.mean()
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
