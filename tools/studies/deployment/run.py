"""Deploys pruned networks in every format, and measures the files.

  python tools/studies/run.py deployment --workdir=runs/deployment
  python tools/studies/run.py deployment --workdir=runs/deployment \\
      --networks=mlp,lstm --files=litert,litert_int8

Networks are trained for a few steps on the package's digits, pruned by
magnitude and trained on, exported, and opened in the runtime of the format.
Each cell is written to the directory and not measured again: stop it and start
it again as you like. A format whose runtime is not installed is left out, and
measured once it is there.

What is printed at the end is Markdown, a table for each network: the largest
difference of outputs, as a share of the largest, on images that the export did
not see; the bytes; and how many times faster than the dense network in the same
format and runtime it is at batch 1, the median of turns. The exit status is 1
if a file was written that does not give its model's outputs.
"""

import functools
import os
import pathlib
import sys

import keras
import tensorflow as tf

import kprune
from deployment import cells, matrix, networks
from deployment.cells import KINDS
from deployment.matrix import DENSE
from deployment.prunings import PRUNINGS
from kprune.deploy.runtimes import litert
from kprune.experiment import directory
from kprune.runtime import files, lookup


def define(flags):
    names = list(networks.NETWORKS)
    flags.list("networks", names, f"Of {', '.join(names)}.")
    text = f"Of {', '.join(PRUNINGS)}."
    flags.list("prunings", list(PRUNINGS), text)
    flags.list("files", list(KINDS), f"Of {', '.join(KINDS)}.")
    flags.string("workdir", None, "Directory of all cells.")
    flags.require("workdir", "DIRECTORY")
    flags.integer("images", 320, "Images to train on.", least=1)
    text = "Passes over them, dense and once pruned."
    flags.integer("epochs", 3, text, least=1)
    flags.integer("repeats", 15, "Turns per ratio of times.", least=1)
    flags.integer("seed", 0, "Of weights and order of the data.", least=0)


def main(flags):
    for names, known, what in (
        (flags.networks, networks.NETWORKS, "network"),
        (flags.prunings, PRUNINGS, "pruning"),
        (flags.files, KINDS, "kind of file"),
    ):
        for name in names:
            lookup.choose(name, known, what)
    config = {key: flags[key].value for key in ("images", "epochs", "seed")}
    if directory.status(flags.workdir, config, leaves=dict) == "new":
        directory.start(flags.workdir, {"config": config})
    found = {name: _measured(flags, name) for name in flags.networks}
    print(f"\n{_caption(flags, found)}")
    wrong = []
    for name, (records, spreads) in found.items():
        chosen = flags.files, flags.prunings
        print(f"\n{matrix.table(name, *chosen, records, spreads)}", flush=True)
        wrong += [
            f"{name}, {pruning}, {kind}: the file is wrong on images held out."
            for (kind, pruning), record in records.items()
            if cells.is_wrong(record)
        ]
    if wrong:
        print("\n".join(["", *wrong]), file=sys.stderr)
        sys.exit(1)


def _measured(flags, network):
    """Measures what is left of a network, and returns its records by (kind,
    pruning) and what its outputs are apart by pruning."""
    subject = _Subject(flags, network)
    kinds = [kind for kind in flags.files if not KINDS[kind].missing]
    for kind in kinds:
        left = [
            pruning
            for pruning in (DENSE, *flags.prunings)
            if files.read_record(subject.path(pruning, kind)) is None
        ]
        if left:
            subject.measure(kind, left)
    records = {
        (kind, pruning): files.read_record(subject.path(pruning, kind))
        for kind in flags.files
        for pruning in (DENSE, *flags.prunings)
    }
    spreads = {name: subject.spread(name) for name in (DENSE, *flags.prunings)}
    return {key: x for key, x in records.items() if x}, spreads


class _Subject:
    """A network and its pruned forms, made where the directory lacks them."""

    def __init__(self, flags, network):
        self._flags, self._network = flags, network
        self._models = {}

    def path(self, *names):
        """Returns the path of a record."""
        name = "-".join([self._network, *names])
        return pathlib.Path(self._flags.workdir, f"{name}.json")

    @functools.cached_property
    def _digits(self):
        shape = networks.NETWORKS[self._network].shape
        return networks.digits(shape, self._flags.images)

    def measure(self, kind, prunings):
        """Writes the records of some prunings in one kind of file."""
        with files.scratch_directory() as scratch:
            dense = self._deployed(scratch, kind, DENSE)
            for pruning in prunings:
                record = dense.record
                if pruning != DENSE:
                    after = self._deployed(scratch, kind, pruning)
                    turns = self._flags.repeats
                    record = cells.compare(dense, after, turns)
                files.write_record(self.path(pruning, kind), record)
                what = f"{self._network}, {pruning}, {kind}"
                print(f"{what}: {_in_short(record)}", flush=True)

    def _deployed(self, scratch, kind, pruning):
        model = self._model(pruning)
        path = KINDS[kind].path(scratch, pruning)
        (x, _), held_out = self._digits
        return cells.deploy(model, KINDS[kind], path, x, held_out)

    def spread(self, pruning):
        """Returns how far the outputs of a model are apart."""
        if files.read_record(self.path(pruning)) is None:
            self._model(pruning)
        return files.read_record(self.path(pruning))["spread"]

    def _model(self, pruning):
        """Returns a model, which is stored: it is the same after a restart."""
        if pruning not in self._models:
            path = self.path(pruning).with_suffix(".keras")
            if files.read_record(self.path(pruning)) is None:
                self._make(pruning, path)
            model = keras.models.load_model(path, compile=False)
            self._models[pruning] = model
        return self._models[pruning]

    def _make(self, pruning, path):
        (x, y), held_out = self._digits
        how = (x, y), self._flags.epochs, self._flags.seed
        if pruning == DENSE:
            model = networks.build(self._network, self._flags.seed)
            networks.train(model, *how)
        else:
            model = PRUNINGS[pruning].apply(self._model(DENSE), *how)
        what = f"{self._network}, {pruning}"
        spread = networks.check_spread(what, model, held_out)
        files.write_keras(path, model)
        files.write_record(self.path(pruning), {"spread": spread})


def _in_short(record):
    if "refused" in record:
        return f"refused: {record['refused']}"
    text = f"error {record['error']:.0e}, {record['bytes']:,} bytes"
    if "faster" in record:
        text += f", {record['faster']:.2f} x"
    return text


def _caption(flags, found):
    """Returns what the tables were measured with."""
    loads = [
        record["load"]
        for records, _ in found.values()
        for record in records.values()
        if "load" in record
    ]
    load = f"a load of {min(loads):.1f} to {max(loads):.1f}" if loads else ""
    return (
        f"kprune {kprune.__version__}, TensorFlow {tf.__version__}, Keras "
        f"{keras.__version__}, LiteRT of {litert.name()}, {os.cpu_count()} "
        f"cores, {load or 'nothing timed'}, median of {flags.repeats} turns"
    )
