"""Prunes one network by several methods and shows what is left, by layer.

  python tools/dissect.py --network=vgg19 --workdir=runs/structure_vgg19

It checks what appendix B of "Progressive Skeletonization" (de Jorge et al.,
2021, https://arxiv.org/abs/2006.09081v1) says of structure and of saliency
after pruning. That version of the paper calls `iter_snip` FORCE; the later
`force`, which lets weights return, is checked beside it.

Nothing is trained. Each cell (seed, method, sparsity, batches seen) is written
to the directory, masks and all, and is not computed again: stop it and start
it again as you like. What is printed at the end is Markdown, with a plot beside
it, and tells of the cells that the flags ask for.
"""

import dataclasses
import itertools
import os
import time

import command_line
import drawing
import keras
import numpy as np
from absl import app, flags
from structure import claims, plot, tables
from structure.results import Results

import kprune
from kprune.experiment import directory
from kprune.runtime import lookup

_NETWORK = flags.DEFINE_string(
    "network", "vgg19", "Name in kprune.models, such as vgg19 or resnet50."
)
_DATASET = flags.DEFINE_string("dataset", "cifar10", "Name of a data set.")
_DATA_DIR = command_line.define_data_dir()
_WORKDIR = command_line.define_workdir("Directory of all cells.")
_METHODS = flags.DEFINE_list(
    "methods",
    ["random", "snip", "snip_mb", "grasp", "synflow", "iter_snip", "force"],
    "Of snip_mb (SNIP on as many batches as the iterated methods see), "
    "iter_snip_linear and force_linear (by a linear schedule), "
    f"{', '.join(kprune.methods())}.",
)
_SPARSITIES = flags.DEFINE_list(
    "sparsities",
    ["0.9", "0.95", "0.98", "0.99", "0.995", "0.999"],
    "Shares of the weights to remove.",
)
_ROUNDS = flags.DEFINE_list(
    "rounds",
    ["2", "10", "50"],
    "Rounds of the iterated methods, each on a batch of its own. The layers "
    "are shown for the most.",
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 128, "Images in a batch.", 1)
_SEEDS = flags.DEFINE_list(
    "seeds", ["0"], "Seeds of the weights and of the order of the data."
)
_INITIALIZER = flags.DEFINE_string(
    "initializer", "kaiming_normal", "As in kprune.models.initializers."
)
_PLOT = flags.DEFINE_string(
    "plot", None, "Where to write the plot. Defaults to WORKDIR/structure.png."
)

_ITERATED = (
    "iter_snip",
    "iter_snip_linear",
    "force",
    "force_linear",
    "grasp_it",
)
_MEASURED = 2  # Batches that saliency is measured on; no method sees them.


@dataclasses.dataclass(frozen=True)
class Cell:
    """One pruning. `batches` are those that the method sees in all."""

    seed: int
    method: str
    sparsity: float
    batches: int

    @property
    def name(self):
        return (
            f"{self.method}-{self.sparsity:g}-batches{self.batches}"
            f"-seed{self.seed}"
        )


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unexpected argument: {argv[1]!r}.")
    with command_line.errors_in_words():
        todo = cells()
        claim_workdir()
    if drawing.missing():
        print(drawing.missing())
    left = [cell for cell in todo if not os.path.exists(path_of(cell))]
    done = len(todo) - len(left)
    for seed, group in itertools.groupby(left, key=lambda cell: cell.seed):
        keras.backend.clear_session()
        with command_line.errors_in_words():
            subject = Subject(seed)
        for cell in group:
            seconds = subject.prune(cell)
            done += 1
            print(
                f"[{done}/{len(todo)}] {cell.name}: {seconds:.1f} s", flush=True
            )
    results = Results([path_of(cell) for cell in todo])
    print(f"\n{caption()}\n\n{tables.write(results)}")
    print(claims.table(results, family=_NETWORK.value[:3]))
    if not drawing.missing():
        picture = _PLOT.value or os.path.join(_WORKDIR.value, "structure.png")
        plot.draw(results, picture, _NETWORK.value)
        print(f"The plot is {picture}.")


def cells():
    """Returns all cells that the flags ask for, seed by seed."""
    known = dict.fromkeys(["snip_mb", *_ITERATED, *kprune.methods()])
    for method in _METHODS.value:
        lookup.choose(method, known, "method")
    rounds = sorted(int(text) for text in _ROUNDS.value)
    if rounds[0] < 1:
        raise ValueError(f"Expected --rounds >= 1. Received: {_ROUNDS.value}")
    sparsities = sorted(float(text) for text in _SPARSITIES.value)
    if not 0 < sparsities[0] <= sparsities[-1] < 1:
        raise ValueError(
            "Expected --sparsities between 0 and 1. Received: "
            f"{_SPARSITIES.value}"
        )
    found = []
    for seed in map(int, _SEEDS.value):
        found.append(Cell(seed, "dense", 0.0, 0))
        for method, sparsity in itertools.product(_METHODS.value, sparsities):
            for batches in batches_of(method, rounds):
                found.append(Cell(seed, method, sparsity, batches))
    return found


def batches_of(method, rounds):
    """Returns the numbers of batches that a method is to see."""
    if method in _ITERATED:
        return rounds
    if method == "snip_mb":
        return rounds[-1:]
    return [0 if method == "synflow" else 1]


def claim_workdir():
    """Starts the directory, or checks that it holds cells of this network."""
    config = {
        "network": _NETWORK.value,
        "initializer": _INITIALIZER.value,
        "dataset": _DATASET.value,
        "batch_size": _BATCH_SIZE.value,
    }
    if directory.status(_WORKDIR.value, config, leaves=dict) == "new":
        directory.start(_WORKDIR.value, {"config": config})


def path_of(cell):
    return os.path.join(_WORKDIR.value, f"{cell.name}.json")


class Subject:
    """A network at one initialization, and the data it is pruned on."""

    def __init__(self, seed):
        info = kprune.datasets.info(_DATASET.value)
        model = kprune.models.get(
            _NETWORK.value,
            classes=info.classes,
            input_shape=info.input_shape,
            initializer=_INITIALIZER.value,
            seed=seed,
        )
        train, *_ = kprune.datasets.load(
            _DATASET.value,
            _BATCH_SIZE.value,
            seed=seed,
            data_dir=_DATA_DIR.value,
            drop_remainder=True,
        )
        batches = train.as_numpy_iterator()
        held_out = list(itertools.islice(batches, _MEASURED))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self._held_out = kprune.Objective(model, held_out, loss)
        self._objective = kprune.Objective(
            model, batches, loss, kprune.ScoringConfig(batches=1), seed=seed
        )
        self._scores = {}

    def prune(self, cell):
        """Finds the masks of a cell, measures and writes them.

        Returns:
            How long the masks took, in seconds.
        """
        start = time.perf_counter()
        masks = self._objective.masks
        if cell.method != "dense":
            pruner = self._pruner(cell.method, cell.batches)
            masks = pruner.masks(self._objective, cell.sparsity)
        seconds = time.perf_counter() - start
        path = path_of(cell)
        kprune.masks.save(masks, f"{os.path.splitext(path)[0]}.npz")
        record = {
            **dataclasses.asdict(cell),
            **self._measured(masks),
            "seconds": seconds,
            "kept": {name: int(mask.sum()) for name, mask in masks.items()},
            "size": {name: mask.size for name, mask in masks.items()},
        }
        directory.write_json(path, record)
        return seconds

    def _pruner(self, method, batches):
        if method in _ITERATED:
            recipe = method.removesuffix("_linear")
            schedule = "exponential" if recipe == method else "linear"
            return dataclasses.replace(
                kprune.recipes.get(recipe), rounds=batches, schedule=schedule
            )
        pruner = kprune.recipes.get(method.removesuffix("_mb"))
        if pruner.rounds > 1:
            return pruner
        # Scores of one round are the same at every sparsity.
        if (method, batches) not in self._scores:
            criterion = kprune.criteria.get(pruner.criterion)
            data = self._objective.on(*range(batches))
            scores = criterion(data, data.weights, data.masks)
            self._scores = {(method, batches): scores}
        ready = self._scores[method, batches]
        return dataclasses.replace(pruner, criterion=lambda *_: ready)

    def _measured(self, masks):
        """Returns the saliency sum |w dL/dw| and the norm of dL/dw of what is
        kept, in the sparse network."""
        sparse = kprune.masks.apply(masks, self._objective.weights)
        gradient = self._held_out.gradient(sparse)
        products = squares = 0.0
        for name, mask in masks.items():
            kept = np.asarray(gradient[name], np.float64)[mask]
            products += np.abs(kept * np.asarray(sparse[name])[mask]).sum()
            squares += np.square(kept).sum()
        return {
            "saliency": float(products),
            "gradient_norm": float(np.sqrt(squares)),
        }


def caption():
    return (
        f"{_NETWORK.value} ({_INITIALIZER.value}) on {_DATASET.value}, batches "
        f"of {_BATCH_SIZE.value}, seeds {', '.join(_SEEDS.value)}. Saliency "
        f"and gradient norm are those of {_MEASURED} batches that no method "
        "saw."
    )


if __name__ == "__main__":
    app.run(main, flags_parser=command_line.parse)
