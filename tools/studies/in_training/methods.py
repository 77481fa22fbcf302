"""The methods: each trains a network and returns what is left of it.

A method is a function of (build, experiment, trainer). `build` returns the
plain network, `experiment` is a dict with `options` of the method and
`phases`, dicts by name: how long and at which rates each phase trains.
"""

import math

import keras
import numpy as np

import kprune
from kprune import callbacks, learned
from kprune.callbacks import regularization
from kprune.masking import weights
from kprune.runtime import lookup
from subnetworks.training import optimizer

_LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


class Trainer:
    """Trains networks on a data set, phase by phase."""

    def __init__(self, phases, dataset, seed):
        (self.x, self.y), self.test = kprune.datasets.load_arrays(
            **{k: v for k, v in dataset.items() if k != "augment"}
        )
        self.phases, self.seed = phases, seed
        self._dataset = dataset

    def data(self, phase):
        """Returns the training data of a phase."""
        train, _ = kprune.datasets.load(
            **self._dataset, batch_size=phase["batch_size"], seed=self.seed
        )
        steps = phase.get("steps_per_epoch")
        return train.take(steps) if steps else train

    def compile(self, model, phase):
        """Compiles a model for a phase, by its name."""
        phase = self.phases[phase]
        steps = int(self.data(phase).cardinality())
        made = optimizer(phase, steps)
        model.compile(made, _LOSS, metrics=["accuracy"])
        return model

    def fit(self, model, phase, *others):
        """Trains a model through a phase, by its name, with callbacks."""
        self.compile(model, phase)
        phase = self.phases[phase]
        model.fit(
            self.data(phase),
            epochs=phase["epochs"],
            callbacks=list(others),
            verbose=0,
        )
        return model

    def training(self, phase, arrays=False):
        """Returns a phase as `kprune.tickets` takes it."""
        phase = self.phases[phase]
        if arrays:
            size = phase["batch_size"]
            limit = phase.get("steps_per_epoch", len(self.x)) * size
            data = self.x[:limit], self.y[:limit]
        else:
            data = self.data(phase)
        return kprune.tickets.Training(
            data,
            phase["epochs"],
            batch_size=phase["batch_size"],
            seed=self.seed,
            verbose=0,
        )


def measured(build, experiment, seed, dataset):
    """Returns what a method comes to: a dict with the accuracy on the `test`
    set and the share of the prunable weights that is `removed`, in percent."""
    method = lookup.choose(experiment["method"], METHODS, "method")
    trainer = Trainer(experiment["phases"], dataset, seed)
    model = method(build, experiment, trainer)
    x, y = trainer.test
    found = model.predict(x, batch_size=500, verbose=0).argmax(1)
    whole = (
        build() if "deeper" not in experiment else _deeper(experiment, build)
    )
    return {
        "test": 100 * float(np.mean(found == y)),
        "removed": 100 * (1 - _kept(model) / _kept(whole)),
    }


def _kept(model):
    """Returns how many entries of the prunable weights are kept."""
    return sum(
        math.prod(weight.variable.shape)
        if weight.mask is None
        else int(weight.mask.numpy().sum())
        for weight in weights.prunable(model).values()
    )


def soft_threshold(build, experiment, trainer):
    """STR: the thresholds are learned as the weights are."""
    model = learned.soft_threshold(build(), **experiment["options"])
    return learned.to_masked(trainer.fit(model, "train"))


def hard_concrete(build, experiment, trainer):
    """L0: gates with a penalty on each that is open."""
    model = learned.hard_concrete(
        build(), len(trainer.x), seed=trainer.seed, **experiment["options"]
    )
    return learned.to_masked(trainer.fit(model, "train"))


def growing(build, experiment, trainer):
    """GReg-1, GReg-2 and DLTH: a penalty grows, then the weights go."""
    model = kprune.wrap(build())
    if "pretrain" in trainer.phases:
        trainer.fit(model, "pretrain")
    callback = callbacks.GrowingRegularization(
        seed=trainer.seed, **experiment["options"]
    )
    trainer.fit(model, "grow", callback)
    return trainer.fit(model, "train")


def prune_train(build, experiment, trainer):
    """PruneTrain: channels go as a group lasso makes them zero."""
    model, phase = trainer.compile(build(), "train"), trainer.phases["train"]
    small, _ = regularization.prune_train(
        model,
        trainer.data(phase),
        phase["epochs"],
        verbose=0,
        **experiment["options"],
    )
    return small


def gem_miner(build, experiment, trainer):
    """Gem-Miner: a ticket of the network as it was made, then trained."""
    options = dict(experiment["options"])
    strength = options.pop("strength")
    net = learned.gem_miner(build(), strength=strength, seed=trainer.seed)
    miner = learned.GemMiner(**options, seed=trainer.seed)
    ticket = learned.to_masked(trainer.fit(net, "search", miner))
    return trainer.fit(ticket, "train")


def early_bird(build, experiment, trainer):
    """Early-bird tickets: trained on, once the masks have settled."""
    model, options = build(), dict(experiment["options"])
    regularization.slim(model, options.pop("slimming"))
    found = callbacks.EarlyBird(seed=trainer.seed, **options)
    trainer.fit(model, "search", found)
    regularization.slim(model, 0)
    ticket = kprune.wrap(model)
    if found.masks is not None:
        kprune.set_masks(ticket, found.masks)
    else:  # None has emerged: the masks that the last weights give.
        how = {k: options[k] for k in ("method", "sparsity", "granularity")}
        ticket = kprune.prune(ticket, **how)
    return trainer.fit(ticket, "train")


def early_crop(build, experiment, trainer):
    """EarlyCroP: pruned once the weights settle, and trained on."""
    model, phase = kprune.wrap(build()), trainer.phases["train"]
    callback = callbacks.EarlyCroP(
        seed=trainer.seed, data=trainer.data(phase), **experiment["options"]
    )
    return trainer.fit(model, "train", callback)


def compression_aware(build, experiment, trainer):
    """CrAM: trained towards weights that survive pruning in one shot."""
    options = dict(experiment["options"])
    sparsity = options.pop("sparsity")
    model = trainer.compile(build(), "train")
    phase = trainer.phases["train"]
    aware = kprune.training.compression_aware(
        model, seed=trainer.seed, **options
    )
    with aware:
        model.fit(trainer.data(phase), epochs=phase["epochs"], verbose=0)
    return kprune.prune(model, "magnitude", sparsity)


def dynamic(build, experiment, trainer):
    """Top-KAST and others: masks that move while a network trains."""
    options = dict(experiment["options"])
    sparsity = options.pop("sparsity")
    model = kprune.prune(build(), "magnitude", sparsity, allocation="uniform")
    callback = callbacks.DynamicSparseTraining(seed=trainer.seed, **options)
    return trainer.fit(model, "train", callback)


def prac(build, experiment, trainer):
    """PrAC tickets: found on the examples that are hard to keep in mind."""
    model = trainer.compile(build(), "search")
    training = trainer.training("search", arrays=True)
    found = kprune.tickets.prac(model, training, **experiment["options"])
    *_, last = found
    return trainer.fit(last.rewound(), "train")


def elastic(build, experiment, trainer):
    """E-LTH: a ticket of one depth, stretched to another and trained."""
    model = trainer.compile(build(), "search")
    training = trainer.training("search")
    *_, last = kprune.tickets.imp(model, training, **experiment["options"])
    deep = _deeper(experiment, build)
    stretched = kprune.tickets.elastic(last.rewound(), deep)
    return trainer.fit(stretched, "train")


def _deeper(experiment, build):
    """Returns a network as `build` does, of the experiment's depth."""
    shallow = build()
    return kprune.models.resnet_cifar(
        experiment["deeper"],
        classes=shallow.output_shape[-1],
        input_shape=shallow.input_shape[1:],
        seed=0,
    )


METHODS = {
    "soft_threshold": soft_threshold,
    "hard_concrete": hard_concrete,
    "growing": growing,
    "prune_train": prune_train,
    "gem_miner": gem_miner,
    "early_bird": early_bird,
    "early_crop": early_crop,
    "compression_aware": compression_aware,
    "dynamic": dynamic,
    "prac": prac,
    "elastic": elastic,
}
