"""Runs a whole sweep: its cells, by an executor."""

from collections.abc import Callable, Sequence
from typing import Any

from ml_collections import ConfigDict

from kprune import experiment
from kprune.experiment.sweep import executors, grid
from kprune.experiment.sweep.executors import (
    LocalExecutor,
    RayExecutor,
    SlurmExecutor,
)
from kprune.runtime import checks, paths, types
from kprune.runtime.doors import checked


def _executor(name, value):
    del name
    return executors.get(value)


@checked(
    runs=paths.directory,
    methods=checks.sequence_of(checks.string, "names of methods"),
    sparsities=checks.sequence_of(checks.sparsity, "sparsities"),
    seeds=checks.sequence_of(checks.integer, "seeds"),
    networks=checks.sequence_of(checks.string, "names of models"),
    executor=_executor,
    data_dir=checks.optional(paths.directory),
    tell=checks.optional(checks.of_function(2, "(cell, outcome)")),
)
def run_sweep(
    config: ConfigDict | dict[str, Any],
    runs: types.Path,
    methods: Sequence[str],
    sparsities: Sequence[float],
    seeds: Sequence[int] = (0,),
    *,
    networks: Sequence[str] = (),
    executor: str | LocalExecutor | SlurmExecutor | RayExecutor = "local",
    data_dir: types.Path | None = None,
    tell: Callable[[grid.Cell, dict[str, Any]], Any] | None = None,
) -> dict[str, dict[str, Any]]:
    """Runs a config over methods, sparsities and seeds, like `kprune sweep`.

    Each cell is a run in its own directory below `runs`. Repeating the call
    skips finished cells and resumes the others.

    Args:
        config: `ConfigDict` or dict, complete or not.
        runs: Path of a directory.
        methods: Sequence of strings, of `kprune.experiment.methods()`, or a
            user's own, `"module:function"`.
        sparsities: Sequence of numbers in [0, 1).
        seeds: Sequence of integers >= 0.
        networks: Sequence of names of models. Defaults to the config's.
        executor: `"local"`, `"slurm"` or `"ray"`, with their defaults, or a
            `LocalExecutor`, `SlurmExecutor` or `RayExecutor`.
        data_dir: As for `kprune.datasets.load`.
        tell: Function of (cell, outcome), called when a cell ends, or when
            another process is found to run it.

    Returns:
        Dict from the name of a cell's directory to its result, as `run`
        returns it, or `{"error": text}`.

    Raises:
        ValueError: If an argument is invalid, or the executor lacks a cluster
            or the resources of a cell. Nothing has been started or written
            then.

    Example:

    >>> config = {"training": {"epochs": 1, "steps_per_epoch": 2}}
    >>> found = kprune.experiment.run_sweep(config, "runs", ["snip"], [0.9])
    >>> [result["sparsity"] for result in found.values()]
    [0.9]
    """
    base = experiment.complete(config)
    cells = grid.cells(base, methods, sparsities, seeds, networks)
    pool = executors.get(executor).start(cells, runs, data_dir, base.distribute)
    found: dict[str, Any] = dict.fromkeys(cell.name for cell in cells)
    try:
        for cell, outcome in pool.outcomes():
            if tell is not None:
                tell(cell, outcome)
            if "held" not in outcome:
                found[cell.name] = outcome.get("result", outcome)
    except BaseException:
        pool.stop()
        raise
    return found
