"""ASNI's four variants of a network, and their table beside the paper's.

  python tools/studies/run.py asni --config=configs/asni.py:mnist_fc \\
      --runs=runs/asni

  D  the dense network
  A  pruned on a sigmoid schedule while it trains
  C  the structure of A, trained again from two values per layer
  S  the structure of A, trained again from its original weights

Each is a run as of kprune train, in a directory of its own under --runs; the
same command goes on where it was stopped. A's directory gets centroids.npz, the
two values of each layer with the masks' and signs' bits. --plots=DIRECTORY
draws the weights of each layer with their centroids before and after training,
and the sparsity of each layer.
"""

import os
import pathlib
import statistics

import keras
import numpy as np

import kprune
from kprune import experiment
from kprune.cli import studies
from kprune.experiment import directory
from kprune.masking import weights
from kprune.pruning import kept_weights
from kprune.runtime import checks, files, plots, significance, tables

NAMES = {
    "D": "dense",
    "A": "pruned while training",
    "C": "again from two values per layer",
    "S": "again from the original weights",
}
_WEIGHTS = {"C": "centroids", "S": "original"}
# The first variant's accuracy and so many points are above that of the second.
CLAIMS = (
    ("A", "D", "A is at most 0.3 points below D", 0.3),
    ("C", "D", "C is at most 0.3 points below D", 0.3),
    ("C", "S", "S is below C", 0.0),
)


def define(flags):
    studies.define(flags, seeds=["0", "1", "2"])
    flags.list("variants", list(NAMES), "Of D, A, C, S.")
    flags.string("plots", None, "Directory to draw into.")


def main(flags):
    base, variants = flags.config, flags.variants
    check(base, variants)
    found = {}
    for seed in map(int, flags.seeds):
        for variant in NAMES:  # C and S need A.
            if variant in variants:
                config = config_of(base, variant, seed, flags.runs)
                path = found[variant, seed] = path_of(config, flags.runs)
                keras.backend.clear_session()
                keras.utils.set_random_seed(seed)
                result = experiment.run(config, path, flags.data_dir, verbose=0)
                share = f"{100 * result['test_accuracy']:.2f} %"
                took = f"{result['seconds']:.0f} s"
                line = f"{variant}, seed {seed}: {share}, {took}, {path}"
                print(line, flush=True)
        if "A" in variants:
            save_centroids(found["A", seed])
    print(f"\n{table(found, base.paper.to_dict())}\n\n{findings(found)}")
    if flags.plots and plots.missing():
        print(plots.missing())
    elif flags.plots:
        print(f"\nDrawn: {', '.join(draw(found, flags.plots))}.")


def check(base, variants):
    """Raises before the first run if the config or a flag does not fit."""
    method = base.pruner.method
    expected = "a config of the method 'asni', such as configs/asni.py:mnist_fc"
    checks.require(method == "asni", "config", method, expected)
    fit = set(variants) <= set(NAMES)
    checks.require(fit, "variants", variants, "some of D, A, C, S")
    if {"C", "S"} & set(variants) and "A" not in variants:
        raise ValueError("C and S are of the structure of A: name it as well.")


def config_of(base, variant, seed, runs):
    """Returns the config of a variant's run."""
    config = base.to_dict()
    config["seed"] = seed
    config["artifacts"] = True  # C and S read A's weights; plots all.
    if variant == "D":
        config["pruner"] = {"method": "dense"}
    if variant in _WEIGHTS:
        run_of_a = path_of(config_of(base, "A", seed, runs), runs)
        config["pruner"] = {
            "method": "ticket",
            "sparsity": None,
            "options": {"run": run_of_a, "weights": _WEIGHTS[variant]},
        }
    return experiment.complete(config)


def path_of(config, runs):
    return os.path.join(runs, experiment.name(config))


def trained(workdir):
    """Returns the trained model of a run, with its masks if it has any."""
    workdir = pathlib.Path(workdir)
    path, masks = workdir / directory.MODEL, workdir / directory.MASKS
    model = keras.saving.load_model(path, compile=False)
    if masks.exists():
        model = kprune.wrap(model)
        kprune.set_masks(model, kprune.masks.load(masks))
    return model


def save_centroids(workdir):
    """Writes `centroids.npz` of a pruned run, unless it is there."""
    path = pathlib.Path(workdir) / "centroids.npz"
    if not path.exists():
        kept_weights.centroids(trained(workdir)).save(path)


def accuracies(found):
    """Returns the test accuracies in percent, a list for each variant."""
    shares = {}
    for (variant, _), workdir in found.items():
        share = experiment.result(workdir)["test_accuracy"]
        shares.setdefault(variant, []).append(100 * share)
    return shares


def table(found, paper):
    """Returns the variants, directories of runs by (variant, seed), as a
    Markdown table beside the paper's figures."""
    rows = []
    for variant, shares in accuracies(found).items():
        first = next(w for (which, _), w in found.items() if which == variant)
        left = kprune.report(trained(first), multiply_adds=False, paths=False)
        said = paper.get("variants", {}).get(variant)
        printed = "" if said is None else f"{said:.2f}"
        measured = f"{tables.mean(shares)} (n = {len(shares)})"
        kept = f"{left.model_kept:,} of {left.model_total:,}"
        rows.append([variant, NAMES[variant], measured, printed, kept])
    if "nonzeros" in paper:
        rows.append(["", "the paper's A", "", "", f"{paper['nonzeros']:,}"])
    measured = ["test accuracy in %", "the paper's", "parameters left"]
    return tables.markdown(["variant", "", *measured], rows, words=2)


def findings(found):
    """Returns in words whether the paper's findings are there: by Welch's
    tests, with Holm's correction for their number."""
    shares, gaps, tests = accuracies(found), {}, {}
    for one, other, claim, margin in CLAIMS:
        if {one, other} <= set(shares):
            limits = [share - margin for share in shares[other]]
            gap = statistics.mean(shares[one]) - statistics.mean(shares[other])
            gaps[claim] = gap
            tests[claim] = significance.difference(shares[one], limits)
    values = significance.holm({k: test.p_value for k, test in tests.items()})
    return "\n".join(
        f"- {claim}: {test.answer(values[claim])} ({gaps[claim]:+.2f}, "
        f"p = {values[claim]:.2g})."
        for claim, test in tests.items()
    )


def draw(found, folder):
    """Draws the figures of the first seed, and returns the files' paths."""
    files.make_directory(folder)
    seed, paths = min(seed for _, seed in found), []
    models = {v: trained(found[v, seed]) for v in "ACS" if (v, seed) in found}
    for variant, model in models.items():
        paths.append(os.path.join(folder, f"weights_{variant}.svg"))
        _draw_weights(model, variant, paths[-1])
    if "A" in models:
        pruned = _pruned(models["A"])
        shares = {w.name: 100 * (1 - w.mask.numpy().mean()) for w in pruned}
        paths.append(os.path.join(folder, "sparsity.svg"))
        plots.bars(shares, paths[-1], "removed, in % of the layer's weights")
    return paths


def _draw_weights(model, variant, path):
    """Draws a histogram of the kept weights of each layer, with centroids."""
    centroids = kept_weights.centroids(model).values
    values, marks = {}, {}
    for weight in _pruned(model):
        kept = weight.variable.numpy()[weight.mask.numpy()]
        title = f"{weight.name}: {kept.size:,} kept"
        values[title] = kept
        marks[title] = [v for v in centroids[weight.name] if np.isfinite(v)]
    title = f"{variant}, {NAMES[variant]}: kept weights"
    plots.histograms(values, marks, path, title)


def _pruned(model):
    return [w for w in weights.find(model) if w.mask is not None]
