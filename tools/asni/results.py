"""What the variants' directories come to: centroids, a table, findings."""

import pathlib
import statistics

import keras

import kprune
from kprune import experiment
from kprune.pruning import kept_weights

NAMES = {
    "D": "dense",
    "A": "pruned while training",
    "C": "again from two values per layer",
    "S": "again from the original weights",
}


def trained(workdir):
    """Returns the trained model of a run, with its masks if it has any."""
    workdir = pathlib.Path(workdir)
    model = keras.saving.load_model(workdir / "model.keras", compile=False)
    if not (workdir / "masks.npz").exists():
        return model
    model = kprune.wrap(model)
    kprune.set_masks(model, kprune.masks.load(workdir / "masks.npz"))
    return model


def save_centroids(workdir):
    """Writes `centroids.npz` of a pruned run, unless it is there."""
    path = pathlib.Path(workdir) / "centroids.npz"
    if not path.exists():
        kept_weights.centroids(trained(workdir)).save(path)


def accuracies(found, variant):
    """Returns the test accuracies of a variant in percent, by seed."""
    return {
        seed: 100 * experiment.result(workdir)["test_accuracy"]
        for (which, seed), workdir in found.items()
        if which == variant
    }


def nonzeros(workdir):
    """Returns how many parameters of a run are left, biases included."""
    report = kprune.report(trained(workdir), multiply_adds=False, paths=False)
    return int(report.model_kept), int(report.model_total)


def table(found, paper):
    """Returns the variants as a Markdown table.

    Args:
        found: Dict from (variant, seed) to the directory of a finished run.
        paper: Dict of a config, with the paper's figures.
    """
    lines = [
        "| variant | | test accuracy in % | the paper's | parameters left |",
        "|---|---|---:|---:|---:|",
    ]
    for variant in dict.fromkeys(which for which, _ in found):
        measured = list(accuracies(found, variant).values())
        first = next(w for (which, _), w in found.items() if which == variant)
        kept, total = nonzeros(first)
        said = paper.get("variants", {}).get(variant)
        lines.append(
            f"| {variant} | {NAMES[variant]} | {_mean(measured)} | "
            f"{'' if said is None else f'{said:.2f}'} | "
            f"{kept:,} of {total:,} |"
        )
    if "nonzeros" in paper:
        lines.append(f"| | the paper's A | | | {paper['nonzeros']:,} |")
    return "\n".join(lines)


def findings(found):
    """Returns in words whether the paper's findings are there."""
    means = {
        variant: statistics.mean(accuracies(found, variant).values())
        for variant in dict.fromkeys(which for which, _ in found)
    }
    said = []
    for variant in ("A", "C"):
        if {"D", variant} <= set(means):
            gap = means[variant] - means["D"]
            holds = "holds" if gap >= -0.3 else "does not hold"
            said.append(
                f"- {variant} is within 0.3 points of D: {holds} ({gap:+.2f})."
            )
    if {"C", "S"} <= set(means):
        gap = means["S"] - means["C"]
        holds = "holds" if gap < 0 else "does not hold"
        said.append(f"- S is below C: {holds} ({gap:+.2f}).")
    return "\n".join(said)


def _mean(values):
    mean = f"{statistics.mean(values):.2f}"
    if len(values) == 1:
        return f"{mean} (n = 1)"
    return f"{mean} ± {statistics.stdev(values):.2f} (n = {len(values)})"
