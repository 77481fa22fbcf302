"""Compresses trained networks to several targets, beside plainer ways.

  python tools/studies/run.py compression --workdir=runs/compression
  python tools/studies/run.py compression --workdir=runs/quick --quick

Each network is trained, and compressed by kprune.compress to each target. From
the same network, to the same size and with the same number of epochs, go

    one-shot   pruned at once, then fine-tuned
    GMP        pruned while it is fine-tuned, on the cubic schedule

Candidates are selected on images held out of the training set; accuracies are
those of the test set, in points below the trained network. Each cell (network,
seed, target) is kept, and killed ones go on. What is printed is Markdown. Where
no candidate is within the budget, there is no size to compare at.
"""

import itertools
import pathlib

import keras

import kprune
from kprune.cli.flags import define_data_dir
from kprune.models.cifar_resnet import resnet_cifar
from kprune.runtime import files, lookup, tables

TARGETS = {
    "flops": {"flops": 0.5},
    "latency": {"latency": 0.5, "runtime": "litert"},
    "bytes": {"bytes": 0.1},
}
HELD_OUT = 0.1


def _lenet5(shape, seed):
    return kprune.models.get("lenet5", classes=10, input_shape=shape, seed=seed)


def _resnet8(shape, seed):
    return resnet_cifar(8, 10, input_shape=shape, seed=seed)


# From a name to the data set, and a function of an image's shape and a seed.
NETWORKS = {"lenet5": ("mnist", _lenet5), "resnet8": ("cifar10", _resnet8)}


def define(flags):
    flags.list("networks", list(NETWORKS), f"Of {', '.join(NETWORKS)}.")
    flags.list("targets", list(TARGETS), f"Of {', '.join(TARGETS)}.")
    flags.list("seeds", ["0", "1", "2"], "Of weights and order of the data.")
    define_data_dir(flags)
    flags.string("workdir", None, "Directory of all cells.")
    flags.require("workdir", "DIRECTORY")
    flags.integer("epochs", 20, "Of the training of a network.", least=1)
    flags.integer("finetune", 2, "Epochs of each candidate.", least=1)
    text = "Steps of such an epoch; by default, a pass over the images."
    flags.integer("steps", None, text, least=1)
    flags.integer("batch_size", 128, "Images in a batch.", least=1)
    text = "Points of accuracy that may be lost on the images held out."
    flags.float("max_drop", 1.0, text)
    text = "Whether to run a small form: digits, an epoch, one seed."
    flags.boolean("quick", False, text)


def main(flags):
    for name in flags.networks:
        lookup.choose(name, NETWORKS, "network")
    for target in flags.targets:
        lookup.choose(target, TARGETS, "target")
    seeds = flags.seeds[:1] if flags.quick else flags.seeds
    rows = []
    for name in flags.networks:
        for seed in map(int, seeds):
            subject = Subject(flags, name, seed)
            for target in flags.targets:
                rows.append(subject.cell(target))
    print(table(rows))


class Subject:
    """A trained network, and what it is trained, selected and tested on."""

    def __init__(self, flags, name, seed):
        self._flags, self._seed, self.name = flags, seed, name
        self._dataset = "digits" if flags.quick else NETWORKS[name][0]
        self._place = pathlib.Path(flags.workdir, f"{name}-seed{seed}")
        train, self._held_out, self._test = self._load()
        self._pass = len(train)
        self._steps = flags.steps or self._pass
        shape = tuple(train.element_spec[0].shape[1:])
        self._model = self._trained(NETWORKS[name][1](shape, seed))
        self._accuracy = self._measured(self._model)

    def cell(self, target):
        """Returns the row of a target, computed unless it is there."""
        path = self._place / f"{target}.json"
        found = files.read_record(path)
        if found is None:
            found = self._compressed(target)
            files.write_record(path, found)
        return found

    def _load(self, start=None):
        parts = kprune.datasets.load(
            self._dataset,
            self._flags.batch_size,
            validation=HELD_OUT,
            seed=self._seed,
            data_dir=self._flags.data_dir,
            start=start,
        )
        return (
            [part.map(_twice) for part in parts] if self._flags.quick else parts
        )

    def _train(self, step):
        return self._load(step)[0]

    def _fit(self, model, epochs, place, callbacks=(), steps=None):
        return kprune.training.fit(
            model,
            self._train,
            epochs,
            steps_per_epoch=steps or self._steps,
            checkpoint=kprune.training.Checkpoint(self._place / place),
            callbacks=callbacks,
            verbose=0,
        )

    def _trained(self, model):
        epochs = 2 if self._flags.quick else self._flags.epochs
        rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * self._pass)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
        self._fit(model, epochs, "trained", steps=self._pass)
        model.compile(keras.optimizers.Adam(5e-4), loss, metrics=["accuracy"])
        return model

    def _measured(self, model):
        return 100 * model.evaluate(self._test, verbose=0)[1]

    def _compressed(self, target):
        epochs = 1 if self._flags.quick else self._flags.finetune
        found = kprune.compress(
            self._model,
            self._train,
            self._held_out,
            target=TARGETS[target],
            max_drop=self._flags.max_drop / 100,
            finetune={"epochs": epochs, "steps_per_epoch": self._steps},
            directory=self._place / target,
            seed=self._seed,
            verbose=0,
        )
        print(f"{self.name}, seed {self._seed}, {target}\n{found}", flush=True)
        chosen, total = found.chosen, epochs * (len(found.candidates) - 1)
        row = {
            "network": self.name,
            "target": target,
            "seed": self._seed,
            "met": found.met,
            "dense": self._accuracy,
            "left": chosen["left"],
            "size": _size(found, target),
            "epochs": total,
            "compress": self._measured(found.model),
        }
        for way in (self._one_shot, self._gradual):
            name = way.__name__.strip("_")
            if chosen["number"] == 0:  # There is no size to compare at.
                row[name] = None
                continue
            row[name] = self._measured(way(target, chosen["left"], total))
        return row

    def _one_shot(self, target, left, epochs):
        """Returns a network pruned to a share at once, and fine-tuned."""
        pruned = kprune.prune(
            self._model, "magnitude", **_axes(target, left), min_kept=1
        )
        self._fit(pruned, epochs, f"{target}-one-shot")
        return pruned

    def _gradual(self, target, left, epochs):
        """Returns a network pruned to a share while it is fine-tuned."""
        axes = {"allocation": "global"}
        sparsity = 1 - left
        if target != "bytes":
            axes = {"granularity": "channel"}
            sparsity = share_of_channels(self._model, left)
        pruning = kprune.callbacks.GradualPruning(
            "magnitude", sparsity, every=max(1, self._steps // 4), **axes
        )
        pruned = kprune.wrap(self._model)
        pruned.compile(
            keras.optimizers.Adam(5e-4), self._model.loss, metrics=["accuracy"]
        )
        self._fit(pruned, epochs, f"{target}-gradual", [pruning])
        return pruned


def _twice(x, y):
    """Returns pictures of twice the size, as LeNet-5 takes none so small."""
    return keras.ops.repeat(keras.ops.repeat(x, 2, axis=1), 2, axis=2), y


def _axes(target, left):
    if target == "bytes":
        return {"sparsity": 1 - left}
    return {"granularity": "channel", "target": {"flops": left}}


def share_of_channels(model, left, rounds=12):
    """Returns the smallest share of channels whose removal by magnitude leaves
    at most a share of the multiply-adds, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(rounds):
        middle = (low + high) / 2
        pruned = kprune.prune(
            model, "magnitude", middle, granularity="channel", min_kept=1
        )
        found = kprune.report(pruned, paths=False)
        if found.sparse_multiply_adds <= left * found.multiply_adds:
            high = middle
        else:
            low = middle
    return min(high, 0.999)


def _size(found, target):
    """Returns the share that the chosen candidate has of what is aimed at."""
    first, chosen = found.candidates[0], found.chosen
    if target == "latency":
        return chosen["latency_share"]
    name = {"flops": "multiply_adds", "bytes": "bytes"}[target]
    return chosen[name] / first[name]


def table(rows):
    """Returns the mean of each network and target over the seeds: the share
    that is left, and the points of test accuracy lost by each way."""
    head = ["network", "target", "met", "left", "epochs", "dense, in %"]
    lines = []
    for key, group in itertools.groupby(sorted(rows, key=_key), _key):
        group = list(group)
        lost = [_lost(group, way) for way in _WAYS]
        lines.append(
            [
                *key,
                f"{sum(row['met'] for row in group)} of {len(group)}",
                tables.mean([row["size"] for row in group], 3),
                tables.mean([row["epochs"] for row in group], 0),
                tables.mean([row["dense"] for row in group], 2),
                *(tables.mean(one, 2) if one else "n/a" for one in lost),
            ]
        )
    return tables.markdown([*head, *_WAYS.values()], lines, words=2)


_WAYS = {
    "compress": "kprune.compress",
    "one_shot": "one-shot",
    "gradual": "GMP",
}


def _lost(rows, way):
    """Returns by how much a way is above the trained network, where known."""
    known = [row for row in rows if row[way] is not None]
    return [row[way] - row["dense"] for row in known]


def _key(row):
    return row["network"], row["target"]
