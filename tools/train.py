"""Prunes a model at initialization, trains it, and writes what is to keep.

  python tools/train.py --config=configs/quickstart.py --workdir=runs/quickstart

Any value of the config is replaced by --config.KEY=VALUE, the common ones by a
flag of their own, which wins over both:

  python tools/train.py --config=configs/mnist_lenet.py --workdir=runs/snip98 \\
      --method=snip --sparsity=0.98 --config.training.learning_rate=1e-3

The directory gets config.json, metrics.jsonl (a line for each epoch, then one
with the test result), report.json, masks.npz, model.keras and saved_model/;
last, DONE. The models in it are plain ones that load without kprune.
--method=dense trains a baseline without pruning, which has no masks.npz.

--check=shuffle and its like train a sanity check of the method in its place: a
run of its own, which tells whether the method knows more than how sparse each
layer is to be (kprune.sanity).

With --runs=DIRECTORY in place of --workdir, the directory is made in there and
named by what the run is. --dry_run prints the plan and the table of weights.

The same command again goes on from the last checkpoint if the run was killed,
and ends as if it had not been; it does nothing if the run is finished. A
directory that holds another run is refused. On SIGTERM the run is saved, and
the exit code is 143, as when another worker died: start it again.

--distribute=mirrored trains on all GPUs of this machine. On several machines,
start the same command with --distribute=multi_worker and TF_CONFIG on each;
all must see the directory.
"""

import contextlib
import os
import sys

import command_line
import keras
import tensorflow as tf
from absl import app, flags

import kprune
from kprune import experiment, training
from kprune.experiment import checking
from kprune.experiment.config import DENSE, WITHOUT_SPARSITY

_CONFIG = command_line.define_config()
_WORKDIR = flags.DEFINE_string("workdir", None, "Directory to write.")
_RUNS = flags.DEFINE_string(
    "runs", None, "Directory to write the run's own directory in."
)
flags.mark_flags_as_mutual_exclusive(["workdir", "runs"], required=True)
_DATA_DIR = command_line.define_data_dir()
_METHOD = flags.DEFINE_string(
    "method", None, f"One of {', '.join(experiment.methods())}."
)
_SPARSITY = flags.DEFINE_float(
    "sparsity", None, "Share of the weights to remove, in [0, 1)."
)
_CHECK = flags.DEFINE_string(
    "check",
    None,
    f"Sanity check in place of the method: {', '.join(experiment.checks())}.",
)
_EPOCHS = flags.DEFINE_integer("epochs", None, "Epochs to train.")
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", None, "Images in a batch of training."
)
_SEED = flags.DEFINE_integer(
    "seed",
    None,
    "What the seeds of initialization, data order and pruning derive from.",
)
_DISTRIBUTE = flags.DEFINE_string(
    "distribute", None, "One of none, mirrored, multi_worker, tpu."
)
_PRECISION = flags.DEFINE_string(
    "precision", None, "One of float32, mixed_bfloat16, mixed_float16."
)
_DRY_RUN = flags.DEFINE_boolean(
    "dry_run", False, "Whether to print the plan, and train and write nothing."
)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument: {argv[1]!r}.")
    with command_line.errors_in_words():
        config = with_plain_flags(_CONFIG.value)
        workdir = _WORKDIR.value
        if _RUNS.value:
            workdir = os.path.join(_RUNS.value, experiment.name(config))
        status = experiment.status(workdir, config)
    if _DRY_RUN.value:
        show_plan(config, workdir, status)
        return
    if status == "finished":
        print(f"{workdir} is finished. {outcome(experiment.result(workdir))}")
        return
    print(command_line.environment())
    if status in _GOES_ON:
        print(f"{workdir} holds this run unfinished. {_GOES_ON[status]}")
    # A progress bar is for eyes: in a file, a line for each epoch.
    verbose = "auto" if sys.stdout.isatty() else 2
    keras.utils.set_random_seed(config.seed)
    with command_line.errors_in_words(), death_of_a_worker_in_words():
        run = experiment.build(
            config, _DATA_DIR.value, verbose, resumes=status == "resumable"
        )
        print(f"{described(config)}\n")
        if run.pruned:
            kprune.summary(run.model)
            print()
        result = experiment.train(run, workdir, verbose)
    print(f"{outcome(result)} All is in {workdir}.")


_GOES_ON = {
    "unfinished": "It starts over.",
    "resumable": "It goes on from the last checkpoint.",
}


def show_plan(config, workdir, status):
    """Prints what would be run, and the table of weights."""
    print(f"{described(config)}\nDirectory: {workdir} ({status})")
    settings = experiment.settings(config)
    if settings:
        print("What differs from the defaults:")
    for key, value in settings.items():
        print(f"  {key} = {value!r}")
    print()
    with command_line.errors_in_words():
        kprune.summary(experiment.network(config))


@contextlib.contextmanager
def death_of_a_worker_in_words():
    """Ends the program so that it is started again, if a worker is gone."""
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        if flags.FLAGS.verbosity > 0:
            raise
        lines = str(error).splitlines()
        print(
            f"Error: a worker is gone. Start all of them again: they go on "
            f"from the last checkpoint. {lines[0]}",
            file=sys.stderr,
        )
        # Without the farewells of a cluster that is not there any more.
        os._exit(training.EXIT_CODE)


def with_plain_flags(config):
    """Returns the config, complete, with the plain flags over it."""
    pairs = [
        (config.pruner, "method", _METHOD),
        (config.pruner, "sparsity", _SPARSITY),
        (config.pruner, "check", _CHECK),
        (config.training, "epochs", _EPOCHS),
        (config.dataset, "batch_size", _BATCH_SIZE),
        (config, "seed", _SEED),
        (config, "distribute", _DISTRIBUTE),
        (config, "precision", _PRECISION),
    ]
    for section, key, flag in pairs:
        if flag.value is not None:
            section[key] = flag.value
    method = config.pruner.method
    fixed = method in (DENSE, *WITHOUT_SPARSITY)
    if fixed and _SPARSITY.value is not None:
        why = "prunes nothing" if method == DENSE else "says itself how much"
        raise ValueError(
            f"--method={method} {why}. Leave out "
            f"--sparsity={_SPARSITY.value}, or name another method."
        )
    checking.refuse_unfit(method, config.pruner.check)
    return experiment.complete(config)


def described(config):
    """Returns a line on what is run."""
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


if __name__ == "__main__":
    app.run(main, flags_parser=command_line.parse)
