"""Prunes a model at initialization, trains it and writes the results.

  kprune train --config=quickstart --workdir=runs/quickstart

--config.KEY=VALUE replaces any value of the config. Common ones have their own
flag, which takes precedence over both:

  kprune train --config=mnist_lenet --workdir=runs/snip98 \\
      --method=snip --sparsity=0.98 --config.training.learning_rate=1e-3

It writes config.json, metrics.jsonl (a line for each epoch, then one with the
test result), report.json, masks.npz, model.keras and saved_model/ to the
directory; last, DONE. Its models are plain ones that load without kprune.
--method=dense trains a baseline without pruning, which has no masks.npz.

--check=shuffle and others train a sanity check of the method instead, as a run
of its own. It shows whether the method knows more than the sparsity that each
layer needs (kprune.sanity).

--runs=DIRECTORY instead of --workdir makes the directory in there, with a name
that derives from the config. --dry_run prints the plan and the table of
weights.

If the run was killed, the same command resumes from the last checkpoint, with
the result of an uninterrupted run; if it is finished, it does nothing. It
refuses a directory that holds another run, or in which another process works.
On SIGTERM it saves and exits with code 143, as when another worker died: start
it again. On Ctrl-C it saves and exits with code 130.

--track=tensorboard,wandb,mlflow also logs the values of metrics.jsonl and the
sparsity of each weight there; W&B and MLflow get the page of the report and the
final files as artifacts. A resumed run stays one run there. WANDB_MODE=offline
and MLFLOW_TRACKING_URI are respected.

--distribute=mirrored trains on all GPUs of this machine. On several machines,
start the same command with --distribute=multi_worker and TF_CONFIG on each; all
must see the directory. The workers wait for each other: one that waits says
every 30 s who is missing, and exits with code 143 after --worker_timeout
seconds. Workers that were started with other flags are refused.
"""

import contextlib
import os
import sys

import keras
import tensorflow as tf

from kprune import experiment, training
from kprune.analysis.report import summary
from kprune.cli.flags import (
    TRACK,
    define_config,
    define_data_dir,
    environment,
)
from kprune.experiment import checking
from kprune.experiment.config import DENSE, WITHOUT_SPARSITY
from kprune.experiment.training import held_if_chief, mend

# The flags that replace a value of the config, by its dotted key.
_VALUES = {
    "method": "pruner.method",
    "sparsity": "pruner.sparsity",
    "check": "pruner.check",
    "epochs": "training.epochs",
    "batch_size": "dataset.batch_size",
    "seed": "seed",
    "distribute": "distribute",
    "precision": "precision",
    "track": "track",
}
_GOES_ON = {
    "unfinished": "It starts over.",
    "resumable": "It goes on from the last checkpoint.",
}


def define(flags):
    define_config(flags)
    define_data_dir(flags)
    flags.string("workdir", None, "Directory to write.")
    flags.string("runs", None, "Directory to write the run's own directory in.")
    expected = "--workdir=DIRECTORY or --runs=DIRECTORY"
    flags.allow_one(["workdir", "runs"], expected, required=True)
    methods, checks = map(
        ", ".join, (experiment.methods(), experiment.checks())
    )
    flags.string("method", None, f"One of {methods}.")
    flags.float("sparsity", None, "Share of the weights to remove, in [0, 1).")
    text = f"Sanity check in place of the method: {checks}."
    flags.string("check", None, text)
    flags.integer("epochs", None, "Epochs to train.")
    flags.integer("batch_size", None, "Images in a batch of training.")
    text = "initialization, data order and pruning"
    flags.integer("seed", None, f"What the seeds of {text} derive from.")
    text = "One of none, mirrored, multi_worker, tpu."
    flags.string("distribute", None, text)
    text = "Seconds to wait for the other workers before exiting with 143."
    flags.float("worker_timeout", training.WORKER_TIMEOUT, text)
    text = "One of float32, mixed_bfloat16, mixed_float16."
    flags.string("precision", None, text)
    flags.list("track", None, TRACK)
    text = "Whether to print the plan, and train and write nothing."
    flags.boolean("dry_run", False, text)


def main(flags):
    config = config_of(flags)
    workdir = flags.workdir
    if flags.runs:
        workdir = os.path.join(flags.runs, experiment.name(config))
    status = experiment.status(workdir, config)
    if flags.dry_run:
        show_plan(config, workdir, status)
        return
    if status == "finished":
        print(f"{workdir} is finished. {outcome(experiment.result(workdir))}")
        lost = mend(workdir)
        if lost:
            raise ValueError(lost)
        return
    try:
        with held_if_chief(config, workdir):
            _run(config, workdir, flags)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(
            f"Interrupted. Run the same command again to resume from {workdir}."
        ) from stop


def _run(config, workdir, flags):
    """Trains the run of a directory that this process has locked."""
    print(environment())
    status = experiment.status(workdir, config)
    if status in _GOES_ON:
        print(f"{workdir} holds this run unfinished. {_GOES_ON[status]}")
    # A file gets a line for each epoch instead of a progress bar.
    verbose = "auto" if sys.stdout.isatty() else 2
    keras.utils.set_random_seed(config.seed)
    with death_of_a_worker_in_words(flags.verbosity):
        run = experiment.build(
            config,
            flags.data_dir,
            verbose,
            resumes=status == "resumable",
            worker_timeout=flags.worker_timeout,
        )
        print(f"{described(config)}\n")
        if run.pruned:
            summary(run.model)
            print()
        result = experiment.train(run, workdir, verbose)
    print(f"{outcome(result)} The results are in {workdir}.")


def config_of(flags):
    """Returns the complete config, with the values of the plain flags."""
    config = flags.config
    given = {key: flags[name].value for name, key in _VALUES.items()}
    config.update_from_flattened_dict(
        {key: value for key, value in given.items() if value is not None}
    )
    method = config.pruner.method
    fixed = method in (DENSE, *WITHOUT_SPARSITY)
    if fixed and flags.sparsity is not None:
        why = "prunes nothing" if method == DENSE else "says itself how much"
        raise ValueError(
            f"--method={method} {why}. Leave out "
            f"--sparsity={flags.sparsity}, or name another method."
        )
    checking.refuse_unfit(method, config.pruner.check)
    return experiment.complete(config)


def show_plan(config, workdir, status):
    """Prints the plan of a run, and the table of weights."""
    print(f"{described(config)}\nDirectory: {workdir} ({status})")
    settings = experiment.settings(config)
    if settings:
        print("What differs from the defaults:")
    for key, value in settings.items():
        print(f"  {key} = {value!r}")
    print()
    summary(experiment.network(config))


@contextlib.contextmanager
def death_of_a_worker_in_words(verbosity):
    """Exits with code 143, which asks for a restart, if a worker is gone."""
    try:
        yield
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.DeadlineExceededError,
    ) as error:
        if verbosity > 0:
            raise
        lines = str(error).splitlines()
        print(
            f"Error: a worker died. Restart all workers to resume from the "
            f"last checkpoint. {lines[0]}",
            file=sys.stderr,
        )
        # Skip TensorFlow's shutdown: the cluster is gone, and it would hang.
        os._exit(training.EXIT_CODE)


def described(config):
    """Returns a line that describes a run."""
    pruner = config.pruner
    how = "dense"
    if pruner.method != DENSE:
        how = f"pruned by {pruner.method}"
    if pruner.check:
        how += f" (sanity check: {pruner.check})"
    if pruner.sparsity:
        how += f" to a sparsity of {pruner.sparsity}"
    return (
        f"{config.model.name} on {config.dataset.name}, {how}; "
        f"epochs: {config.training.epochs}, seed: {config.seed}"
    )


def outcome(result):
    """Returns a sentence on the result of a run."""
    return (
        f"Test accuracy {result['test_accuracy']:.4f} at a sparsity of "
        f"{result['sparsity']:.4f}, after {result['seconds']:.0f} s."
    )
