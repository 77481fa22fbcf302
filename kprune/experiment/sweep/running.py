"""A whole sweep from a program: its cells, run by an executor."""

from kprune import experiment
from kprune.experiment.sweep import executors, grid
from kprune.runtime import checks, paths
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
    config,
    runs,
    methods,
    sparsities,
    seeds=(0,),
    *,
    networks=(),
    executor="local",
    data_dir=None,
    tell=None,
):
    """Runs a config over methods, sparsities and seeds, as far as it is not
    done, as `kprune sweep` does.

    Each cell is a run in a directory of its own below `runs`. The same call
    again goes on with those that are not finished.

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
        tell: Function of (cell, outcome), called as each cell comes to an end,
            or is found to be run by another process.

    Returns:
        Dict by the name of a cell's directory: its result, as `run` returns
        it, or `{"error": text}`.

    Raises:
        ValueError: If an argument does not fit, or the executor has no cluster
            or not what a cell takes. Nothing is started or written then.

    Example:

    >>> config = {"training": {"epochs": 1, "steps_per_epoch": 2}}
    >>> found = kprune.experiment.run_sweep(config, "runs", ["snip"], [0.9])
    >>> [result["sparsity"] for result in found.values()]
    [0.9]
    """
    base = experiment.complete(config)
    cells = grid.cells(base, methods, sparsities, seeds, networks)
    pool = executors.get(executor).start(cells, runs, data_dir, base.distribute)
    found = dict.fromkeys(cell.name for cell in cells)
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
