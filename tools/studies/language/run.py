"""Prunes a small language model in one shot, by each method and allocation.

  python tools/studies/run.py language --workdir=runs/language

A causal transformer learns the characters of a text that comes with Python:
what `help` says of the language. Its blocks are then pruned, and perplexity is
measured on the end of the text, which nothing was trained on, at once and after
some more steps of training. Each cell (seed, way to prune) is written to the
directory and not computed again: stop it and start it again as you like. What
is printed at the end is Markdown: means over the seeds with their deviation,
and which orders that the papers report are true here. `--quick` does it all on
a network of a few thousand weights.
"""

import dataclasses
import os

import keras
import numpy as np

from kprune.experiment import directory
from kprune.runtime import files, lookup, plots, tables
from language import cells, claims, text

_QUICK = cells.Sizes(
    width=8,
    depth=2,
    heads=2,
    length=16,
    steps=4,
    batch_size=8,
    tuned=0.5,
    calibration=8,
    held_out=8,
)
_SIZES = {
    "width": (144, "Width of the network."),
    "depth": (4, "Blocks of the network."),
    "heads": (4, "Heads of attention in each block."),
    "length": (128, "Characters of a sequence."),
    "steps": (400, "Steps of training."),
    "batch_size": (32, "Sequences in a step."),
    "calibration": (128, "Sequences that pruning looks at."),
    "held_out": (360, "Sequences that perplexity is measured on."),
}


def define(flags):
    flags.string("workdir", None, "Directory of all cells.")
    flags.require("workdir", "DIRECTORY")
    for name, (size, what) in _SIZES.items():
        flags.integer(name, size, what, least=1)
    text = "Share of the steps to train for after pruning."
    flags.float("tuned", 0.05, text)
    flags.list("methods", list(cells.METHODS), "Criteria.")
    allocations = list(cells.ALLOCATIONS)
    flags.list("allocations", allocations, "How weights are shared out.")
    shares = ["0.3", "0.5", "0.6", "0.7", cells.NM]
    flags.list("sparsities", shares, "Shares of the weights to remove.")
    flags.list("seeds", ["0", "1", "2"], "Of weights and of the batches.")
    text = "Whether to do all in the small, with what sizes do not matter to."
    flags.boolean("quick", False, text)


def main(flags):
    for name in flags.methods:
        lookup.choose(name, dict.fromkeys(cells.METHODS), "method")
    for name in flags.allocations:
        lookup.choose(name, dict.fromkeys(cells.ALLOCATIONS), "allocation")
    sizes, whole = _sizes(flags), text.read()
    config = {**dataclasses.asdict(sizes), "text": whole.digest}
    if directory.status(flags.workdir, config, leaves=dict) == "new":
        directory.start(flags.workdir, {"config": config})
    seeds = [int(seed) for seed in flags.seeds]
    ways = cells.ways(
        flags.methods, flags.allocations, _shares(flags.sparsities)
    )
    subject = cells.Subject(whole, sizes)
    for seed in seeds:
        _measure(_base(flags.workdir, seed), subject, seed, ways)
    found = [_read(_base(flags.workdir, seed)) for seed in seeds]
    print(f"\n{_report(found, ways)}", flush=True)
    if plots.missing():
        print(plots.missing())
        return
    path = os.path.join(flags.workdir, "language.svg")
    _draw(found, ways, path)
    print(f"Drawn: {path}")


def _sizes(flags):
    if flags.quick:
        return _QUICK
    given = {name: flags[name].value for name in _SIZES}
    return cells.Sizes(**given, tuned=flags.tuned)


def _shares(texts):
    """Returns shares as numbers; "2:4" stays."""
    return [one if one == cells.NM else float(one) for one in texts]


def _base(workdir, seed):
    return os.path.join(workdir, f"seed{seed}")


def _read(base):
    return files.read_record(f"{base}.json") or {}


def _measure(base, subject, seed, ways):
    """Completes the cells of a seed: a dict from what was done to what came
    of it."""
    found = _read(base)

    def put(key, cell):
        found[key] = cell
        print(f"seed {seed}, {key}: {cell}", flush=True)
        files.write_record(f"{base}.json", found)

    left = [w for w in (None, *ways) if _key(_named(w), True) not in found]
    if not left:
        return
    if os.path.exists(f"{base}.keras"):
        model = keras.models.load_model(f"{base}.keras")
    else:
        model = subject.trained(seed)
        files.write_keras(f"{base}.keras", model)
    subject.take(model, seed)
    for way in left:
        kept = subject.prune(way)
        for tuned in (False, True):
            if tuned:
                subject.tune()
            cell = {"perplexity": subject.perplexity(), "kept": kept}
            put(_key(_named(way), tuned), cell)


def _perplexities(found, key):
    return np.array([cells_of[key]["perplexity"] for cells_of in found])


def _report(found, ways):
    """Returns the tables: perplexities, and claims."""
    parts = []
    for tuned in (False, True):
        when = "after some more training" if tuned else "at once"
        dense = _text(found, _key(cells.DENSE, tuned))
        parts.append(
            f"**Perplexity {when}**, dense {dense}, by share of the weights "
            f"of the blocks that is removed\n\n{_table(found, ways, tuned)}"
        )
        rows = claims.rows(lambda key: _perplexities(found, key), tuned)
        head = (f"what the papers report, {when}", "here", "perplexity")
        parts.append(tables.markdown(head, rows, words=3))
    return "\n\n".join(parts) + "\n"


def _named(way):
    return cells.DENSE if way is None else way.key()


def _key(key, tuned):
    return key + ", tuned" * tuned


def _text(found, key):
    return tables.mean(_perplexities(found, key))


def _table(found, ways, tuned):
    shares = list(dict.fromkeys(way.sparsity for way in ways))
    kinds = list(dict.fromkeys((w.method, w.allocation) for w in ways))
    rows = []
    for kind in kinds:
        row = [*kind]
        for share in shares:
            way = cells.Way(*kind, share)
            row.append(
                _text(found, way.key(tuned)) if way in ways else "as uniform"
            )
        rows.append(row)
    head = ["criterion", "allocation", *map(_shown, shares)]
    return tables.markdown(head, rows, words=2)


def _shown(share):
    return share if share == cells.NM else f"{100 * share:g} %"


def _draw(found, ways, path):
    """Draws perplexity over sparsity, at once and after training on."""
    panels = []
    for tuned in (False, True):
        dense = _perplexities(found, _key(cells.DENSE, tuned)).mean()
        lines = [plots.Rule(y=dense, label="dense", look={"color": "gray"})]
        lines += _lines(found, ways, tuned)
        title = "after some more training" if tuned else "at once"
        axes = {"xlabel": "weights removed, %", "ylabel": "perplexity"}
        panels.append(plots.Panel(lines, title, **axes))
    plots.draw(panels, path, legend="below")


def _lines(found, ways, tuned):
    methods = list(dict.fromkeys(way.method for way in ways))
    kinds = dict.fromkeys((way.method, way.allocation) for way in ways)
    for method, allocation in kinds:
        own = [
            way
            for way in ways
            if (way.method, way.allocation) == (method, allocation)
            and way.sparsity != cells.NM
        ]
        means = [_perplexities(found, w.key(tuned)).mean() for w in own]
        color = plots.COLORS[methods.index(method) % len(plots.COLORS)]
        style = "-" if allocation == "uniform" else "--"
        yield plots.Line(
            [100 * way.sparsity for way in own],
            means,
            f"{method}, {allocation}",
            look={"color": color, "linestyle": style, "marker": "."},
        )
