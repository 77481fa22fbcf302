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

The same command again does nothing if the run is finished, and starts over if
it is not. A directory that holds another run is refused.
"""

import sys

import command_line
import keras
from absl import app, flags

import kprune
from kprune import experiment

_CONFIG = command_line.define_config()
_WORKDIR = command_line.define_workdir("Directory to write.")
_DATA_DIR = command_line.define_data_dir()
_METHOD = flags.DEFINE_string(
    "method", None, f"One of dense, {', '.join(kprune.methods())}."
)
_SPARSITY = flags.DEFINE_float(
    "sparsity", None, "Share of the weights to remove, in [0, 1)."
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


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument: {argv[1]!r}.")
    workdir = _WORKDIR.value
    with command_line.errors_in_words():
        config = with_plain_flags(_CONFIG.value)
        status = experiment.status(workdir, config)
    if status == "finished":
        print(f"{workdir} is finished. {outcome(experiment.result(workdir))}")
        return
    print(command_line.environment())
    if status == "unfinished":
        print(f"{workdir} holds this run unfinished. It starts over.")
    # A progress bar is for eyes: in a file, a line for each epoch.
    verbose = "auto" if sys.stdout.isatty() else 2
    keras.utils.set_random_seed(config.seed)
    with command_line.errors_in_words():
        run = experiment.build(config, _DATA_DIR.value, verbose)
    print(f"{described(config)}\n")
    kprune.summary(run.model)
    print()
    result = experiment.train(run, workdir, verbose)
    print(f"{outcome(result)} All is in {workdir}.")


def with_plain_flags(config):
    """Returns the config, complete, with the plain flags over it."""
    pairs = [
        (config.pruner, "method", _METHOD),
        (config.pruner, "sparsity", _SPARSITY),
        (config.training, "epochs", _EPOCHS),
        (config.dataset, "batch_size", _BATCH_SIZE),
        (config, "seed", _SEED),
    ]
    for section, key, flag in pairs:
        if flag.value is not None:
            section[key] = flag.value
    if config.pruner.method == "dense" and _SPARSITY.value:
        raise ValueError(
            "--method=dense prunes nothing. Leave out "
            f"--sparsity={_SPARSITY.value}, or name another method."
        )
    return experiment.complete(config)


def described(config):
    """Returns a line on what is run."""
    pruner = config.pruner
    how = "dense"
    if pruner.method != "dense":
        how = f"pruned by {pruner.method} to a sparsity of {pruner.sparsity}"
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
