"""Prunes one network by several methods and shows what is left, by layer.

  python tools/studies/run.py structure --network=vgg19 \\
      --workdir=runs/structure_vgg19

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

import keras
import numpy as np

import kprune
from kprune.cli.flags import define_data_dir
from kprune.experiment import directory
from kprune.runtime import checks, files, lookup, plots
from structure import claims, layer_claims, panels, tables, verdicts
from structure.results import Results

_FORCE = ("iter_snip", "force")  # As the two versions of the paper have it.
_ITERATED = (*_FORCE, "iter_snip_linear", "force_linear", "grasp_it")
_METHODS = ("random", "snip", "snip_mb", "grasp", "synflow", *_FORCE)
_SPARSITIES = ("0.9", "0.95", "0.98", "0.99", "0.995", "0.999")
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
        what = f"{self.method}-{self.sparsity:g}-batches{self.batches}"
        return f"{what}-seed{self.seed}"


def define(flags):
    flags.string("network", "vgg19", "As in kprune.models: vgg19, resnet50.")
    flags.string("dataset", "cifar10", "Name of a data set.")
    define_data_dir(flags)
    flags.string("workdir", None, "Directory of all cells.")
    flags.require("workdir", "DIRECTORY")
    flags.list(
        "methods",
        list(_METHODS),
        "Of snip_mb (SNIP on as many batches as the iterated methods see), "
        "iter_snip_linear and force_linear (by a linear schedule), "
        f"{', '.join(kprune.methods('prune'))}.",
    )
    text = "Shares of the weights to remove."
    flags.list("sparsities", list(_SPARSITIES), text)
    flags.list(
        "rounds",
        ["2", "10", "50"],
        "Rounds of the iterated methods, each on a batch of its own. The "
        "layers are shown for the most.",
    )
    flags.integer("batch_size", 128, "Images in a batch.", least=1)
    text = "Seeds of the weights and of the order of the data."
    flags.list("seeds", ["0"], text)
    text = "As in kprune.models.initializers."
    flags.string("initializer", "kaiming_normal", text)
    text = "Where to write the plot. Defaults to WORKDIR/structure.svg."
    flags.string("plot", None, text)


def main(flags):
    paths = {
        c: os.path.join(flags.workdir, f"{c.name}.json") for c in cells(flags)
    }
    claim_workdir(flags)
    if plots.missing():
        print(plots.missing())
    left = [cell for cell, path in paths.items() if not os.path.exists(path)]
    done = len(paths) - len(left)
    for seed, group in itertools.groupby(left, key=lambda cell: cell.seed):
        keras.backend.clear_session()
        subject = Subject(flags, seed)
        for cell in group:
            seconds = subject.prune(cell, paths[cell])
            done += 1
            line = f"[{done}/{len(paths)}] {cell.name}: {seconds:.1f} s"
            print(line, flush=True)
    results = Results(paths.values())
    print(f"\n{caption(flags)}\n\n{tables.write(results)}")
    said = [*claims.CLAIMS, *layer_claims.CLAIMS]
    print(verdicts.table(results, flags.network[:3], said))
    if not plots.missing():
        picture = flags.plot or os.path.join(flags.workdir, "structure.svg")
        title = f"{flags.network}, pruned at initialization (a line ends where "
        title += "no gradient gets through)"
        plots.draw(panels.panels(results), picture, title=title)
        print(f"The plot is {picture}.")


def cells(flags):
    """Returns all cells that the flags ask for, seed by seed."""
    known = dict.fromkeys(["snip_mb", *_ITERATED, *kprune.methods("prune")])
    for method in flags.methods:
        lookup.choose(method, known, "method")
    rounds = sorted(map(int, flags.rounds))
    checks.require(rounds[0] >= 1, "rounds", flags.rounds, "numbers >= 1")
    sparsities = sorted(map(float, flags.sparsities))
    inside = 0 < sparsities[0] <= sparsities[-1] < 1
    expected = "numbers between 0 and 1"
    checks.require(inside, "sparsities", flags.sparsities, expected)
    found = []
    for seed in map(int, flags.seeds):
        found.append(Cell(seed, "dense", 0.0, 0))
        for method, sparsity in itertools.product(flags.methods, sparsities):
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


def claim_workdir(flags):
    """Starts the directory, or checks that it holds cells of this network."""
    keys = ("network", "initializer", "dataset", "batch_size")
    config = {key: flags[key].value for key in keys}
    if directory.status(flags.workdir, config, leaves=dict) == "new":
        directory.start(flags.workdir, {"config": config})


class Subject:
    """A network at one initialization, and the data it is pruned on."""

    def __init__(self, flags, seed):
        info = kprune.datasets.info(flags.dataset)
        model = kprune.models.get(
            flags.network,
            classes=info.classes,
            input_shape=info.input_shape,
            initializer=flags.initializer,
            seed=seed,
        )
        train, *_ = kprune.datasets.load(
            flags.dataset,
            flags.batch_size,
            seed=seed,
            data_dir=flags.data_dir,
            drop_remainder=True,
        )
        batches = train.as_numpy_iterator()
        held_out = list(itertools.islice(batches, _MEASURED))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self._held_out = kprune.Objective(model, held_out, loss)
        self._objective = kprune.Objective(
            model, batches, loss, kprune.ScoringConfig(batches=1), seed=seed
        )
        self._scored = self._scores = None

    def prune(self, cell, path):
        """Finds the masks of a cell, measures and writes them to a path, and
        returns how many seconds they took."""
        start = time.perf_counter()
        masks = self._objective.masks
        if cell.method != "dense":
            pruner = self._pruner(cell.method, cell.batches)
            masks = pruner.masks(self._objective, cell.sparsity)
        seconds = time.perf_counter() - start
        kprune.masks.save(masks, f"{os.path.splitext(path)[0]}.npz")
        record = {
            **dataclasses.asdict(cell),
            **self._measured(masks),
            "seconds": seconds,
            "kept": {name: int(mask.sum()) for name, mask in masks.items()},
            "size": {name: mask.size for name, mask in masks.items()},
        }
        files.write_json(path, record)
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
        if (method, batches) != self._scored:
            criterion = kprune.criteria.get(pruner.criterion)
            data = self._objective.on(*range(batches))
            self._scores = criterion(data, data.weights, data.masks)
            self._scored = method, batches
        ready = self._scores
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


def caption(flags):
    return (
        f"{flags.network} ({flags.initializer}) on {flags.dataset}, batches "
        f"of {flags.batch_size}, seeds {', '.join(flags.seeds)}. Saliency "
        f"and gradient norm are those of {_MEASURED} batches that no method "
        "saw."
    )
