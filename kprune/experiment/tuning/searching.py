"""Searches with `tune`, and tabulates the trials."""

import dataclasses
import pathlib
from typing import Any

from ml_collections import ConfigDict

from kprune import experiment
from kprune.experiment.sweep.ray_tasks import RayExecutor
from kprune.experiment.tuning import keras_search, ray_search, space
from kprune.experiment.tuning.trials import Trial
from kprune.runtime import checks, extras, files, paths, tables, types
from kprune.runtime.doors import checked

ENGINES = {"ray": ray_search.search, "keras_tuner": keras_search.search}
# KerasTuner's Bayesian search needs scikit-learn.
_MODULES = {"ray": ("ray.tune",), "keras_tuner": ("keras_tuner", "sklearn")}
METRICS = {
    "val_accuracy": "max",
    "val_loss": "min",
    "accuracy": "max",
    "loss": "min",
}
TABLE = "tuning.md"
_SHORT = {
    space.METHOD: "method",
    space.SPARSITY: "sparsity",
    space.SCHEDULE: "schedule",
    space.RATE: "learning rate",
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """The options of `tune`, checked."""

    trials: int
    metric: str
    seed: int
    grace_epochs: int
    reduction: int
    executor: RayExecutor
    data_dir: str | None

    @property
    def mode(self) -> str:
        return METRICS[self.metric]


@checked(
    runs=paths.directory,
    engine=checks.one_of(*ENGINES),
    trials=checks.at_least(1),
    metric=checks.one_of(*METRICS),
    grace_epochs=checks.at_least(1),
    reduction=checks.at_least(2),
    executor=checks.optional(
        checks.of_class(RayExecutor, "a kprune.experiment.RayExecutor")
    ),
    data_dir=checks.optional(paths.directory),
)
def tune(
    config: ConfigDict | dict[str, Any],
    runs: types.Path,
    space: dict[str, Any],
    *,
    engine: str = "ray",
    trials: int = 16,
    metric: str = "val_accuracy",
    seed: int = 0,
    grace_epochs: int = 1,
    reduction: int = 4,
    executor: RayExecutor | None = None,
    data_dir: types.Path | None = None,
) -> list[Trial]:
    """Searches for a config's best method, sparsity, schedule or learning rate.

    Each trial is a run in its own directory below `runs`, without saved
    models. Repeating the call draws the same trials, skips finished runs and
    resumes the others. A table of the trials is written to `tuning.md` there.

    Args:
        config: `ConfigDict` or dict, complete or not, which holds out images
            for validation: `config.dataset.validation` is above 0.
        runs: Path of a directory.
        space: Dict over some of `"pruner.method"`, `"pruner.sparsity"`,
            `"pruner.schedule"` and `"training.learning_rate"`: a list of
            values for each, or a `kprune.experiment.Range` of numbers.
        engine: `"ray"`: Ray Tune draws at random, runs several trials at a
            time, and stops poor ones early, by ASHA. Or `"keras_tuner"`:
            Bayesian optimization, one trial after the other.
        trials: Integer >= 1, how many to draw.
        metric: `"val_accuracy"`, `"val_loss"`, `"accuracy"` or `"loss"`, after
            the last epoch.
        seed: Integer >= 0, for drawing trials. Runs use the config's.
        grace_epochs: Integer >= 1, `"ray"` only: epochs before a trial may be
            stopped.
        reduction: Integer >= 2, `"ray"` only: ASHA's reduction factor; at
            each rung, one in so many trials continues.
        executor: A `RayExecutor`, `"ray"` only: the cluster, and the resources
            of a trial.
        data_dir: As for `kprune.datasets.load`.

    Returns:
        List of `Trial`s, the best first: finished ones, then those that were
        stopped early, then those that failed.

    Raises:
        ValueError: If an argument is invalid, a package is missing, or there
            is no cluster. Nothing has been started or written then.
    """
    base = experiment.complete(config)
    if executor is not None and engine != "ray":
        raise ValueError("`executor` is for engine='ray'. Leave it out.")
    settings = Settings(
        trials=trials,
        metric=metric,
        seed=seed,
        grace_epochs=min(grace_epochs, base.training.epochs),
        reduction=reduction,
        executor=executor or RayExecutor(),
        data_dir=data_dir,  # type: ignore[arg-type]
    )
    check(base, runs, space, engine, settings)
    found = ENGINES[engine](base, runs, space, settings)
    found = ordered(found, settings.mode)
    files.make_directory(runs)
    path = pathlib.Path(runs) / TABLE
    files.write_text(path, f"{table(found, metric, tables.markdown)}\n")
    return found


def check(base, runs, over, engine, settings):
    """Raises `ValueError` unless a search can start."""
    space.check(base, over)
    files.check_writable(runs)
    for module in _MODULES[engine]:
        extras.load(module, f"Tuning by {engine!r}")
    if engine == "ray":
        settings.executor.check(base.distribute)


def ordered(found, mode):
    """Returns trials without duplicates, the best first."""
    states = ("finished", "stopped", "failed")
    sign = -1 if mode == "max" else 1

    def rank(trial):
        value = float("inf") if trial.value is None else sign * trial.value
        return states.index(trial.state), value, trial.name

    return sorted({trial.name: trial for trial in found}.values(), key=rank)


def table(found, metric, layout):
    """Returns the trials as a table in a layout of `runtime.tables`."""
    keys = [key for key in _SHORT if any(key in t.point for t in found)]
    head = [_SHORT[key] for key in keys] + ["state", "epochs", metric, "run"]
    rows = [
        [_text(trial.point.get(key)) for key in keys]
        + [trial.state, str(trial.epochs), _text(trial.value), trial.name]
        for trial in found
    ]
    return layout(head, rows)


def _text(value):
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
