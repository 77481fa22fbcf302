"""A search by KerasTuner: random, or Bayesian, one trial after the other."""

import os
import pathlib

from kprune.experiment.tuning import trials
from kprune.experiment.tuning.space import Range, rounded
from kprune.runtime import extras

FOLDER = ".keras_tuner"  # Below the runs: KerasTuner's own files.


def search(base, runs, space, settings):
    """Returns the `Trial`s of a search by KerasTuner.

    Arguments are those of `ray_search.search`.
    """
    keras_tuner = extras.load("keras_tuner", "Tuning by 'keras_tuner'")
    places = {
        "runs": str(pathlib.Path(runs).absolute()),
        "data_dir": settings.data_dir and os.path.abspath(settings.data_dir),
    }
    found = []

    class Tuner(keras_tuner.BayesianOptimization):
        """Runs a trial as a run of kprune."""

        def run_trial(self, trial, *args, **kwargs):
            del args, kwargs
            point = rounded(_drawn(trial.hyperparameters, space))
            error = None
            try:
                trials.perform(base.to_dict(), point, report=_ignored, **places)
            except trials.Failed as failed:
                error = str(failed)
            one = trials.outcome_of(base, point, runs, settings.metric, error)
            found.append(one)
            if error:
                raise keras_tuner.errors.FailedTrialError(error)
            return {settings.metric: one.value}

    tuner = Tuner(
        objective=keras_tuner.Objective(settings.metric, settings.mode),
        max_trials=settings.trials,
        seed=settings.seed + 1,  # It takes 0 for no seed, and draws one.
        max_consecutive_failed_trials=settings.trials + 1,
        directory=str(pathlib.Path(runs).absolute()),
        project_name=FOLDER,
        # KerasTuner's own record starts over; finished runs stay.
        overwrite=True,
    )
    tuner.search(verbose=0)
    return found


def _drawn(hyperparameters, space):
    """Returns the point of a space that a trial's hyperparameters draw."""
    return {
        key: hyperparameters.Float(
            key, v.low, v.high, sampling="log" if v.log else "linear"
        )
        if isinstance(v, Range)
        else hyperparameters.Choice(key, list(v))
        for key, v in space.items()
    }


def _ignored(line):
    del line
