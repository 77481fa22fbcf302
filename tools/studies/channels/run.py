"""Shares channels out among layers in several ways, and tests what is left.

  python tools/studies/run.py channels --workdir=runs/channels

Networks are trained, then lose channels by each criterion and allocation, and
are tested at once and after training on, as they are or repaired on 512 of the
images that they were trained on (`--repairs`). `--granularity=weight` removes
weights in place of channels, and `--sized_by=flops` the given shares of
multiply-adds. The allocation "sensitivity" measures each layer
alone on 1000 of these images. Each cell (network, seed) is written
to the directory and not computed again: stop it and start it again as you
like. What is printed at the end is Markdown: means over the seeds with their
deviation, how many layers all seeds together left without a channel, and from
which others Welch's tests, with Holm's correction over all of a network, tell
the allocation `--tested`.
"""

import dataclasses
import itertools
import os

import keras
import numpy as np

import kprune
from channels.networks import NETWORKS
from kprune.cli.flags import define_data_dir
from kprune.experiment import directory
from kprune.pruning import target
from kprune.runtime import files, lookup, significance, tables

# Of sensitivities: training images, and shares that a layer loses.
_MEASURED = 1000
_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)


# What is done to a pruned network before it is tested: functions of the network
# and the objective of the one before.
REPAIRS = {
    "none": lambda model, objective: None,
    "recalibrate": lambda model, objective: kprune.kept_weights.recalibrate(
        model, objective=objective
    ),
    "recalibrate_sequential": lambda model, objective: (
        kprune.kept_weights.recalibrate(
            model, objective=objective, sequential=True
        )
    ),
    "correct_biases": lambda model, objective: (
        kprune.kept_weights.correct_biases(model, objective=objective)
    ),
}


# What shares are removed of, by the name of a target.
SIZES = {
    "sparsity": "{granularity}s",
    "flops": "multiply-adds",
    "parameters": "parameters",
}


def define(flags):
    flags.list("networks", list(NETWORKS), f"Of {', '.join(NETWORKS)}.")
    flags.string("dataset", "mnist", "Name of a data set of ten classes.")
    define_data_dir(flags)
    flags.string("workdir", None, "Directory to write the cells in.")
    flags.require("workdir", "DIRECTORY")
    flags.list("methods", ["magnitude"], "Criteria.")
    allocations = ["global", "normalized", "lamp", "uniform"]
    text = 'Allocations of channels to layers, or "sensitivity": as measured.'
    flags.list("allocations", allocations, text)
    text = "Allocation that is tested against the others."
    flags.string("tested", "lamp", text)
    text = "Repair before the test."
    flags.list("repairs", ["none"], f"{text} Of {', '.join(REPAIRS)}.")
    flags.string("granularity", "channel", "What to remove as a unit.")
    text = "Shares to remove."
    flags.list("sparsities", ["0.3", "0.5", "0.7"], text)
    text = f"What they are shares of: {', '.join(SIZES)}."
    flags.string("sized_by", "sparsity", text)
    flags.list("seeds", ["0", "1", "2"], "Seeds of weights and data order.")
    flags.integer("images", 5000, "Images to train on.", least=1)
    flags.integer("tests", 2000, "Images to test on.", least=1)
    flags.integer("epochs", 6, "Epochs of training.", least=1)
    text = "Shares at which to train on, for one pass."
    flags.list("tuned", ["0.5"], text)
    flags.integer("batch_size", 64, "Images in a batch.", least=1)


def main(flags):
    for name in flags.networks:
        lookup.choose(name, NETWORKS, "network")
    for name in flags.repairs:
        lookup.choose(name, REPAIRS, "repair")
    lookup.choose(flags.sized_by, SIZES, "size")
    keys = ("dataset", "images", "tests", "epochs", "batch_size")
    config = {key: flags[key].value for key in keys}
    if directory.status(flags.workdir, config, leaves=dict) == "new":
        directory.start(flags.workdir, {"config": config})
    for name, seed in itertools.product(flags.networks, map(int, flags.seeds)):
        _measure(flags, name, seed)
    for name in flags.networks:
        print(f"\n{_table(flags, name)}", flush=True)


def _measure(flags, name, seed):
    """Completes the cells of one network: a dict from what was done to the
    accuracy and the layers that lost all channels."""
    base = os.path.join(flags.workdir, f"{name}-seed{seed}")
    found = _read(base)
    ways = [way for way in _ways(flags) if way.key not in found]
    if "dense" in found and not ways:
        return
    keras.backend.clear_session()
    train, test = _data(flags, seed)
    if "dense" in found and os.path.exists(f"{base}.keras"):
        model = keras.models.load_model(f"{base}.keras")
    else:
        model = _trained(flags, name, seed, train)
        files.write_keras(f"{base}.keras", model)
        found["dense"] = {"accuracy": _accuracy(model, test), "empty": 0}
        files.write_json(f"{base}.json", found)
    subject = _Subject(model, train, test)
    for way in ways:
        found[way.key] = cell = subject.cell(flags.batch_size, seed, way)
        print(f"{name}, seed {seed}, {way.key}: {cell}", flush=True)
        files.write_json(f"{base}.json", found)


class _Subject:
    """A trained network, whose masks come and go: all is traced once."""

    def __init__(self, model, train, test):
        self._model, self._train, self._test = model, train, test
        self._objective = kprune.Objective(
            model, train, scoring=kprune.ScoringConfig(8, 64)
        )
        self._wrapped = kprune.wrap(model, keep_pruned_values=True)
        self._found = {}  # Sensitivities, by what they were measured for.

    def cell(self, batch_size, seed, way):
        """Returns the accuracy, in percent, and how many layers are empty."""
        pruner = kprune.recipes.get(
            way.method,
            granularity=way.granularity,
            allocation=self._allocation(way),
        )
        size, goal = way.sparsity, None
        if way.sized_by != "sparsity":
            size, goal = None, target.get({way.sized_by: 1 - size})
        masks = pruner.masks(self._objective, size, 0, target=goal)
        model = kprune.wrap(self._model) if way.tuned else self._wrapped
        before = model.get_weights()
        kprune.set_masks(model, masks)
        REPAIRS[way.repair](model, self._objective)
        if way.tuned:
            keras.utils.set_random_seed(seed)
            model.fit(*self._train, batch_size, verbose=0)
        accuracy = _accuracy(model, self._test)
        model.set_weights(before)
        empty = sum(not mask.any() for mask in masks.values())
        return {"accuracy": accuracy, "empty": empty}

    def _allocation(self, way):
        """Returns an allocation; sensitivities are those of training images."""
        if way.allocation != "sensitivity":
            return way.allocation
        key = way.method, way.granularity
        if key not in self._found:
            self._found[key] = kprune.sensitivity(
                self._model,
                tuple(array[:_MEASURED] for array in self._train),
                way.method,
                levels=_LEVELS,
                granularity=way.granularity,
                verbose=0,
            )
        return kprune.allocation.sensitivity(self._found[key])


@dataclasses.dataclass(frozen=True)
class _Way:
    """What is done to a trained network, and by what it is kept."""

    method: str
    allocation: str
    repair: str
    granularity: str
    sized_by: str
    sparsity: float
    tuned: bool

    @property
    def key(self):
        """The name of the cell, in words."""
        words = [self.method, self.allocation, f"{self.sparsity:g}"]
        words += ["tuned"] * self.tuned
        words += [self.repair] * (self.repair != "none")
        words += [self.granularity] * (self.granularity != "channel")
        words += [self.sized_by] * (self.sized_by != "sparsity")
        return ", ".join(words)


def _rows(flags):
    """Yields (method, allocation, repair), of each row of the table."""
    return itertools.product(flags.methods, flags.allocations, flags.repairs)


def _columns(flags):
    """Returns (sparsity, whether to train on), of each column."""
    columns = [(float(s), False) for s in flags.sparsities]
    return columns + [(float(s), True) for s in flags.tuned]


def _ways(flags):
    """Yields the `_Way` of each cell."""
    for row, column in itertools.product(_rows(flags), _columns(flags)):
        yield _way(flags, row, column)


def _way(flags, row, column):
    return _Way(*row, flags.granularity, flags.sized_by, *column)


def _read(base):
    return files.read_record(f"{base}.json") or {}


def _data(flags, seed):
    """Returns (x, y) to train on, in an order of the seed's, and to test."""
    (x, y), test = kprune.datasets.load_arrays(
        flags.dataset, data_dir=flags.data_dir
    )
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(x))[: flags.images]
    return (x[chosen], y[chosen]), tuple(a[: flags.tests] for a in test)


def _trained(flags, name, seed, train):
    model = NETWORKS[name](train[0].shape[1:], seed)
    steps = flags.epochs * -(-len(train[0]) // flags.batch_size)
    keras.utils.set_random_seed(seed)
    model.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(2e-3, steps)
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(*train, flags.batch_size, flags.epochs, verbose=0)
    model.compile(keras.optimizers.Adam(5e-4), model.loss, metrics=["accuracy"])
    return model


def _accuracy(model, test):
    return 100 * model.evaluate(*test, 500, verbose=0)[1]


def _table(flags, name):
    """Returns a row for each criterion and allocation."""
    bases = [
        os.path.join(flags.workdir, f"{name}-seed{s}") for s in flags.seeds
    ]
    found = [_read(base) for base in bases]
    dense = tables.mean([cells["dense"]["accuracy"] for cells in found], 1)
    columns, rows = _columns(flags), []
    head = ["criterion", "allocation", "repair"]
    for sparsity, tuned in columns:
        head.append(f"{100 * sparsity:g} %" + ", trained on" * tuned)
    for own in _rows(flags):
        row = [*own]
        for column in columns:
            key = _way(flags, own, column).key
            cells = [c[key] for c in found]
            text = tables.mean([c["accuracy"] for c in cells], 1)
            empty = sum(c["empty"] for c in cells)
            row.append(f"{text} ({empty} empty)" if empty else text)
        rows.append(row)
    table = tables.markdown(head, rows, words=3)
    what = SIZES[flags.sized_by].format(granularity=flags.granularity)
    return (
        f"**{name}**, dense {dense} %, by share of the {what} "
        f"removed\n\n{table}\n\n{_told_apart(flags, found, columns)}"
    )


def _told_apart(flags, found, columns):
    """Returns a line for each comparison that tells two rows apart: those of
    the tested allocation from others, or repairs from none."""

    def accuracies(row, column):
        key = _way(flags, row, column).key
        return [cells[key]["accuracy"] for cells in found]

    pairs = {}
    for row, column in itertools.product(_rows(flags), columns):
        method, allocation, repair = row
        others = [(method, flags.tested, repair)] * (allocation != flags.tested)
        others += [(method, allocation, "none")] * (repair != "none")
        for other in others:
            if other not in _rows(flags):
                continue
            first, second = (" ".join(one[1:]) for one in (other, row))
            where = f"{method}, {column[0]:g}" + ", trained on" * column[1]
            both = (accuracies(one, column) for one in (other, row))
            name = f"{first} against {second}, {where}"
            pairs[name] = kprune.sanity.verdict(*both)
    values = {
        pair: found.p_value
        for pair, found in pairs.items()
        if found.p_value is not None  # Of a single seed.
    }
    lines = [
        f"- {pair}: {pairs[pair].difference:+.1f}, "
        f"p = {p:.2g} of {len(pairs)} tests"
        for pair, p in significance.holm(values).items()
        if p < 0.05 and pairs[pair].beats is not None
    ]
    return "\n".join(lines or ["No test tells one row from another."])
