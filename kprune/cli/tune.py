"""Searches for the method, sparsity, schedule or learning rate that is best.

  kprune tune --config=mnist_lenet --config.dataset.validation=0.1 \\
      --runs=runs/tuned --methods=snip,grasp,magnitude \\
      --sparsities=0.9..0.98 --learning_rates=1e-4..1e-2 --trials=32

A list gives values to choose from, A..B a range to draw from (log-uniformly for
learning rates). Other settings stay as in the config. Trials are compared by
--metric on the images that --config.dataset.validation holds out; the test
accuracy is reported for the best trial only.

Each trial is a run like that of kprune train, without saved models, in its own
directory under --runs, so that kprune report shows them. --engine=ray draws at
random, runs as many trials at a time as fit the cluster, and stops poor ones
early (ASHA): each gets --grace_epochs, and at each rung one in --reduction
trials continues. --engine=keras_tuner is Bayesian, and runs one trial after the
other, each to its end.

The same command skips finished runs and resumes the others. Both engines come
with pip install 'kprune[tune]'.
"""

import os
import sys

from kprune import experiment
from kprune.cli.flags import define_config, define_data_dir, environment
from kprune.experiment.tuning import searching, space
from kprune.runtime import tables

# By flag, the key that it searches, and whether ranges are log-uniform.
_SEARCHED = {
    "methods": (space.METHOD, False),
    "sparsities": (space.SPARSITY, False),
    "schedules": (space.SCHEDULE, False),
    "learning_rates": (space.RATE, True),
}
_OF_RAY = ("grace_epochs", "reduction")
_EXECUTOR = {
    "ray_address": "address",
    "cpus_per_run": "cpus_per_run",
    "gpus_per_run": "gpus_per_run",
}


def define(flags):
    define_config(flags)
    define_data_dir(flags)
    flags.string("runs", None, "Directory of all results.")
    flags.require("runs", "DIRECTORY")
    methods = ", ".join(experiment.methods())
    flags.list("methods", None, f"Of {methods}.")
    text = "Shares of the weights to remove, in [0, 1): a list, or A..B."
    flags.list("sparsities", None, text)
    flags.list("schedules", None, "Names of sparsity schedules.")
    flags.list("learning_rates", None, "A list, or A..B.")
    engines = ", ".join(searching.ENGINES)
    flags.string("engine", "ray", f"One of {engines}.")
    flags.integer("trials", 16, "Number of trials.", least=1)
    text = (
        f"Metric to compare trials by, one of {', '.join(searching.METRICS)}."
    )
    flags.string("metric", "val_accuracy", text)
    flags.integer("search_seed", 0, "Seed of the search.", least=0)
    text = "ray: epochs that each trial gets. Defaults to 1."
    flags.integer("grace_epochs", None, text, least=1)
    text = "ray: of so many trials, one goes on. Defaults to 4."
    flags.integer("reduction", None, text, least=2)
    text = "ray: auto, or HOST:PORT. Defaults to a cluster on this machine."
    flags.string("ray_address", None, text)
    text = "ray: cores of a trial, and its threads. Defaults to 1."
    flags.integer("cpus_per_run", None, text, least=1)
    text = "ray: GPUs of a trial; 0.5 puts two on one. Defaults to 0."
    flags.float("gpus_per_run", None, text)


def main(flags):
    options = options_of(flags)
    print(environment(), flush=True)
    found = experiment.tune(
        flags.config,
        flags.runs,
        space_of(flags),
        engine=flags.engine,
        trials=flags.trials,
        metric=flags.metric,
        seed=flags.search_seed,
        data_dir=flags.data_dir,
        **options,
    )
    print(f"\n{searching.table(found, flags.metric, _wide)}\n")
    failed = [trial for trial in found if trial.state == "failed"]
    for trial in failed:
        print(f"{trial.name} failed: {trial.error}")
    best = found[0]
    if best.state == "finished":
        result = experiment.result(os.path.join(flags.runs, best.name))
        accuracy = result["test_accuracy"]
        print(f"Best: {best.name}, test accuracy {accuracy:.4f}.")
    print(f"The results are in {flags.runs}.")
    if len(failed) == len(found):
        sys.exit(1)


def space_of(flags):
    """Returns the `space` of `experiment.tune`, from the flags."""
    found = {
        key: _values(name, flags[name].value, log)
        for name, (key, log) in _SEARCHED.items()
        if flags[name].value is not None
    }
    if not found:
        names = ", ".join(f"--{name}" for name in _SEARCHED)
        raise ValueError(f"Expected something to search: one of {names}.")
    return found


def options_of(flags):
    """Returns the options of `experiment.tune` for Ray, from the flags."""
    given = {
        name: flags[name].value
        for name in (*_OF_RAY, *_EXECUTOR)
        if flags[name].value is not None
    }
    if given and flags.engine != "ray":
        raise ValueError(
            f"--{next(iter(given))} is for --engine=ray. Leave it out."
        )
    options = {name: given[name] for name in _OF_RAY if name in given}
    of_executor = {_EXECUTOR[n]: v for n, v in given.items() if n in _EXECUTOR}
    if of_executor:
        options["executor"] = experiment.RayExecutor(**of_executor)
    return options


def _values(name, texts, log):
    """Returns the values of a flag: names, numbers, or a `Range`."""
    if name in ("methods", "schedules"):
        return texts
    try:
        if len(texts) == 1 and ".." in texts[0]:
            low, high = texts[0].split("..")
            return experiment.Range(float(low), float(high), log=log)
        return [float(text) for text in texts]
    except ValueError as error:
        raise ValueError(
            f"Expected --{name}=A,B,... or --{name}=A..B, numbers with A below "
            f"B. Received: {','.join(texts)}"
        ) from error


def _wide(head, rows):
    return tables.terminal(head, rows, words=(0,), width=140)
