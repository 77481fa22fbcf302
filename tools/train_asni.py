"""ASNI's four variants of a network, and their table beside the paper's.

  python tools/train_asni.py --config=configs/asni.py:mnist_fc --runs=runs/asni

  D  the dense network
  A  pruned on a sigmoid schedule while it trains
  C  the structure of A, trained again from two values per layer
  S  the structure of A, trained again from its original weights

Each is a run as of tools/train.py, in a directory of its own under --runs; the
same command goes on where it was stopped. A's directory gets centroids.npz, the
two values of each layer with the masks' and signs' bits. --plots=DIRECTORY
draws the weights of each layer with their centroids before and after training,
and the sparsity of each layer.
"""

import os

import command_line
import keras
from absl import app, flags
from asni import figures, results

from kprune import experiment

_CONFIG = command_line.define_config()
_DATA_DIR = command_line.define_data_dir()
_RUNS = flags.DEFINE_string("runs", None, "Directory of all runs.")
_SEEDS = flags.DEFINE_list("seeds", ["0", "1", "2"], "Whole numbers.")
_VARIANTS = flags.DEFINE_list("variants", list("DACS"), "Of D, A, C, S.")
_PLOTS = flags.DEFINE_string("plots", None, "Directory to draw into.")
flags.mark_flag_as_required("runs")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument: {argv[1]!r}.")
    base = _CONFIG.value
    with command_line.errors_in_words():
        check(base)
        found = {}
        for seed in map(int, _SEEDS.value):
            for variant in "DACS":  # C and S need A.
                if variant not in _VARIANTS.value:
                    continue
                config = config_of(base, variant, seed)
                found[variant, seed] = workdir = path_of(config)
                result = run(config, workdir)
                print(
                    f"{variant}, seed {seed}: "
                    f"{100 * result['test_accuracy']:.2f} %, "
                    f"{result['seconds']:.0f} s, {workdir}",
                    flush=True,
                )
                if variant == "A":
                    results.save_centroids(workdir)
    print(f"\n{results.table(found, base.paper.to_dict())}")
    print(f"\n{results.findings(found)}")
    if _PLOTS.value:
        with command_line.errors_in_words():
            paths = figures.draw(found, _PLOTS.value)
        print(f"\nDrawn: {', '.join(paths)}.")


def check(base):
    """Raises before the first run if the config or a flag does not fit."""
    if base.pruner.method != "asni":
        raise ValueError(
            "Expected a config of the method 'asni', such as "
            f"configs/asni.py:mnist_fc. Received: {base.pruner.method!r}"
        )
    unknown = set(_VARIANTS.value) - set("DACS")
    if unknown:
        raise ValueError(
            f"Expected --variants of D, A, C, S. Received: {sorted(unknown)}"
        )
    if {"C", "S"} & set(_VARIANTS.value) and "A" not in _VARIANTS.value:
        raise ValueError("C and S are of the structure of A: name it as well.")


def config_of(base, variant, seed):
    """Returns the config of a variant's run."""
    config = base.to_dict()
    config["seed"] = seed
    config["artifacts"] = True  # C and S read A's weights; plots all.
    if variant == "D":
        config["pruner"] = {"method": "dense"}
    if variant in "CS":
        run_of_a = path_of(config_of(base, "A", seed))
        weights = {"C": "centroids", "S": "original"}[variant]
        config["pruner"] = {
            "method": "ticket",
            "sparsity": None,
            "options": {"run": run_of_a, "weights": weights},
        }
    return experiment.complete(config)


def path_of(config):
    return os.path.join(_RUNS.value, experiment.name(config))


def run(config, workdir):
    keras.backend.clear_session()
    keras.utils.set_random_seed(config.seed)
    return experiment.run(config, workdir, _DATA_DIR.value, verbose=0)


if __name__ == "__main__":
    app.run(main, flags_parser=command_line.parse)
