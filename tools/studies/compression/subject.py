"""A trained network, compressed to each target and by each way."""

import pathlib

import keras

import kprune
from compression.networks import NETWORKS
from kprune.experiment.compression.candidates import RECALIBRATED, SCORED
from kprune.pruning.kept_weights.recalibration import recalibrating
from kprune.runtime import files

TARGETS = {
    "flops": {"flops": 0.5},
    "latency": {"latency": 0.5, "runtime": "litert"},
    "bytes": {"bytes": 0.1},
}
HELD_OUT = 0.1
_CHANNELS = {"granularity": "channel", "allocation": "uniform"}  # Of GMP.


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

    def _measured(self, model, images=None):
        """Returns the accuracy in percent, on the test images by default."""
        images = self._test if images is None else images
        return 100 * model.evaluate(images, verbose=0)[1]

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
        first = found.candidates[0]
        row = {
            "network": self.name,
            "target": target,
            "seed": self._seed,
            "met": found.met,
            "dense": self._accuracy,
            "left": chosen["left"],
            "size": _size(chosen, first, target),
            "epochs": total,
            "compress": self._measured(found.model),
            "candidates": [
                [_size(one, first, target), one["metric"]]
                for one in found.candidates
            ],
            "spread": chosen["latency_spread"],
            "again": None,
            "held_out": {},
        }
        if target == "latency" and chosen["number"] > 0:
            row["again"] = self._timed_again(found.model)
        for way in (self._one_shot, self._gradual):
            name = way.__name__.strip("_")
            row[name] = row["held_out"][name] = None
            if chosen["number"] == 0:  # There is no size to compare at.
                continue
            pruned = way(target, chosen, total)
            row[name] = self._measured(pruned)
            row["held_out"][name] = self._measured(pruned, self._held_out)
        return row

    def _timed_again(self, model):
        """Returns the share of time of a model's file, measured anew."""
        paths = []
        for name, one in (("dense", self._model), ("small", model)):
            paths.append(self._place / f"{name}.tflite")
            kprune.export(one, paths[-1])
        found = kprune.compare(*paths, repeats=7, processes=7, verbose=0)
        return 1 / found["inference, batch 1"].ratio

    def _one_shot(self, target, chosen, epochs):
        """Returns a network pruned at once in a candidate's way, and tuned."""
        criterion, *allocation = chosen["method"].split(", ")
        size = {"sparsity": 1 - chosen["left"]}
        if allocation:
            size = {"target": {"flops": chosen["left"]}}
            size |= {"granularity": "channel", "allocation": allocation[0]}
        data = self._train(0).take(SCORED)
        pruned = kprune.prune(
            self._model, criterion, **size, data=data, min_kept=1, verbose=0
        )
        return self._fit_pruned(pruned, epochs, f"{target}-one-shot")

    def _gradual(self, target, chosen, epochs):
        """Returns a network pruned to a share while it is fine-tuned."""
        axes = {"allocation": "global"}
        sparsity = 1 - chosen["left"]
        if target != "bytes":
            axes = _CHANNELS
            sparsity = share_of_channels(self._model, chosen["left"])
        pruning = kprune.callbacks.GradualPruning(
            "magnitude", sparsity, every=max(1, self._steps // 4), **axes
        )
        pruned = kprune.wrap(self._model)
        pruned.compile(
            keras.optimizers.Adam(5e-4), self._model.loss, metrics=["accuracy"]
        )
        return self._fit_pruned(pruned, epochs, f"{target}-gradual", [pruning])

    def _fit_pruned(self, model, epochs, place, callbacks=()):
        """Returns a model, fine-tuned as candidates of `kprune.compress` are:
        with the statistics of batch normalization recomputed at the end."""
        with recalibrating(model, self._train(0).take(RECALIBRATED)):
            self._fit(model, epochs, place, callbacks)
        return model


def _twice(x, y):
    """Returns pictures of twice the size, as LeNet-5 takes none so small."""
    return keras.ops.repeat(keras.ops.repeat(x, 2, axis=1), 2, axis=2), y


def share_of_channels(model, left, rounds=12):
    """Returns the smallest share of channels whose removal by magnitude leaves
    at most a share of the multiply-adds, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(rounds):
        middle = (low + high) / 2
        pruned = kprune.prune(
            model, "magnitude", middle, **_CHANNELS, min_kept=1
        )
        found = kprune.report(pruned, paths=False)
        if found.sparse_multiply_adds <= left * found.multiply_adds:
            high = middle
        else:
            low = middle
    return min(high, 0.999)


def _size(one, first, target):
    """Returns the share that a candidate has of what is aimed at."""
    if target == "latency":
        return one["latency_share"]
    name = {"flops": "multiply_adds", "bytes": "bytes"}[target]
    return one[name] / first[name]
