"""A search by Ray Tune, with ASHA (Li et al., 2020).

https://arxiv.org/abs/1810.05934
"""

import os
import pathlib

from kprune.experiment.sweep import ray_tasks
from kprune.experiment.tuning import trials
from kprune.experiment.tuning.space import Range, rounded
from kprune.runtime import extras

FOLDER = ".ray"  # Below the runs: Ray Tune's own files.


def search(base, runs, space, settings):
    """Returns the `Trial`s of a search by Ray Tune.

    Args:
        base: `ConfigDict`, complete.
        runs, space: As for `searching.tune`, checked.
        settings: A `searching.Settings`.
    """
    tune = extras.load("ray.tune", "Tuning by 'ray'")
    ray, ours = ray_tasks.connect(settings.executor)
    try:
        return _searched(tune, base, runs, space, settings)
    finally:
        if ours:
            ray.shutdown()


def _searched(tune, base, runs, space, settings):
    trainable = tune.with_parameters(
        _train,
        task={
            "base": base.to_dict(),
            "runs": str(pathlib.Path(runs).absolute()),
            "data_dir": settings.data_dir
            and os.path.abspath(settings.data_dir),
            "current": os.getcwd(),
        },
    )
    executor = settings.executor
    takes = {"cpu": executor.cpus_per_run, "gpu": executor.gpus_per_run}
    tuner = tune.Tuner(
        tune.with_resources(trainable, takes),
        param_space={key: _drawn(tune, v) for key, v in space.items()},
        tune_config=tune.TuneConfig(
            num_samples=settings.trials,
            scheduler=_asha(base, settings),
            search_alg=_drawing(settings.seed),
        ),
        run_config=tune.RunConfig(
            storage_path=str(pathlib.Path(runs).absolute() / FOLDER),
            failure_config=tune.FailureConfig(max_failures=0),
            verbose=0,
        ),
    )
    return [
        trials.outcome_of(
            base, found.config, runs, settings.metric, _words(found.error)
        )
        for found in tuner.fit()
    ]


def _train(point, task):
    """Runs a trial, in a process that Ray Tune started.

    Such a process starts in a directory of Ray's; a user's own modules are
    found in the one of the search.
    """
    from ray import tune

    os.chdir(task["current"])
    trials.perform(
        task["base"],
        rounded(point),
        task["runs"],
        task["data_dir"],
        tune.report,
    )


def _asha(base, settings):
    from ray.tune.schedulers import ASHAScheduler

    return ASHAScheduler(
        time_attr="epoch",
        metric=settings.metric,
        mode=settings.mode,
        max_t=base.training.epochs,
        grace_period=settings.grace_epochs,
        reduction_factor=settings.reduction,
    )


def _drawing(seed):
    from ray.tune.search import BasicVariantGenerator

    return BasicVariantGenerator(random_state=seed)


def _drawn(tune, values):
    if not isinstance(values, Range):
        return tune.choice(list(values))
    draw = tune.loguniform if values.log else tune.uniform
    return draw(values.low, values.high)


def _words(error):
    """Returns the last line of the error of a trial, or `None`."""
    if error is None:
        return None
    text = str(getattr(error, "cause", None) or error)
    return text.strip().splitlines()[-1]
