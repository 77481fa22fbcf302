"""The cells of a seed: a network is trained once, and pruned in each way."""

import dataclasses
import itertools

import keras
import numpy as np

import kprune
from language import text
from language.network import gpt

METHODS = ("magnitude", "wanda", "ria", "sparsegpt")
ALLOCATIONS = ("uniform", "owl")
NM = "2:4"
DENSE = "dense"
_LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
_KEPT_DENSE = ("embed", "out")  # As in the papers: blocks alone are pruned.
_RATE = 2e-3


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How large the network is, and how long it trains.

    Args:
        width, depth, heads, length: Integers, of the network.
        steps, batch_size: Integers, of its training.
        tuned: Share of the steps to train for once it is pruned.
        calibration, held_out: How many sequences pruning looks at, and how
            many perplexity is measured on.
    """

    width: int
    depth: int
    heads: int
    length: int
    steps: int
    batch_size: int
    tuned: float
    calibration: int
    held_out: int

    @property
    def tuned_steps(self):
        return max(1, round(self.tuned * self.steps))


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to prune: what it removes is a share, or `"2:4"`."""

    method: str
    allocation: str
    sparsity: object

    def key(self, tuned=False):
        share = self.sparsity
        share = share if share == NM else f"{share:g}"
        named = f"{self.method}, {self.allocation}, {share}"
        return named + ", tuned" * tuned


def ways(methods, allocations, sparsities):
    """Returns all ways. N:M leaves nothing to share out among layers."""
    return [
        Way(method, allocation, sparsity)
        for method, allocation, sparsity in itertools.product(
            methods, allocations, sparsities
        )
        if sparsity != NM or allocation == "uniform"
    ]


class Subject:
    """A network that is trained from each seed, and pruned in one way after
    the other. Masks and values come and go, so that all is traced once.

    Args:
        whole: The `text.Text`.
        sizes: The `Sizes`.
    """

    def __init__(self, whole, sizes):
        self._text, self._sizes = whole, sizes
        self._data = text.windows(whole.train, sizes.length, sizes.calibration)
        self._test = text.windows(whole.held_out, sizes.length, sizes.held_out)
        self._wrapped = kprune.wrap(self._drawn(0))
        # At the end, and behind it, the rate is a quarter of the highest.
        rate = keras.optimizers.schedules.CosineDecay(
            0.0,
            sizes.steps,
            alpha=0.25,
            warmup_target=_RATE,
            warmup_steps=sizes.steps // 10,
        )
        self._wrapped.compile(keras.optimizers.Adam(rate), _LOSS)
        optimizer = self._wrapped.optimizer
        optimizer.build(self._wrapped.trainable_variables)
        self._ones = {
            name: np.ones_like(mask)
            for name, mask in kprune.get_masks(self._wrapped).items()
        }

    def trained(self, seed):
        """Returns a network that is trained on the text."""
        model = self._drawn(seed)
        self._show(model)
        self._fit(self._sizes.steps, seed, begin=0)
        _copy(self._wrapped, model)
        return model

    def take(self, model, seed):
        """Takes a trained network as the one to prune."""
        self._model, self._seed = model, seed
        self._objective = kprune.Objective(
            model,
            self._data,
            _LOSS,
            {"batch_size": self._sizes.calibration},
            seed=seed,
            exclude=_KEPT_DENSE,
        )
        self._outlying = None

    def prune(self, way):
        """Prunes the trained network; returns the share that is kept of the
        weights of its blocks. With `None`, all of it is."""
        self._show(self._model)
        if way is None:
            return 1.0
        nm = way.sparsity == NM
        options = {"granularity": NM} if nm else {}
        if way.method != "magnitude":
            options["sequential"] = True
        pruner = kprune.recipes.get(
            way.method, allocation=self._allocation(way), **options
        )
        share = 0.5 if nm else way.sparsity
        masks = pruner.masks(self._objective, share)
        kprune.set_masks(self._wrapped, masks)
        if pruner.after_pruning is not None:
            pruner.after_pruning(
                self._wrapped, self._seed, objective=self._objective
            )
        kept = sum(int(mask.sum()) for mask in masks.values())
        return kept / sum(mask.size for mask in masks.values())

    def tune(self):
        """Trains the network on, with its masks."""
        steps = self._sizes.tuned_steps
        self._fit(steps, self._seed + 1000, begin=self._sizes.steps)

    def perplexity(self):
        """Returns the perplexity of the network as it is."""
        batch = self._sizes.batch_size
        loss = self._wrapped.evaluate(*self._test, batch, verbose=0)
        return float(np.exp(loss))

    def _drawn(self, seed):
        sizes = self._sizes
        return gpt(
            len(self._text.characters),
            sizes.length,
            sizes.width,
            sizes.depth,
            sizes.heads,
            seed,
        )

    def _show(self, model):
        """Gives the network with masks a network's values, and no zeros."""
        kprune.set_masks(self._wrapped, self._ones)
        _copy(model, self._wrapped)

    def _fit(self, steps, seed, begin):
        """Trains by a fresh optimizer whose clock stands at a step."""
        optimizer, size = self._wrapped.optimizer, self._sizes.batch_size
        for variable in optimizer.variables:
            variable.assign(np.zeros(variable.shape))
        optimizer.iterations.assign(begin)
        rng = np.random.default_rng(seed)
        length, count = self._sizes.length, steps * size
        x, y = text.drawn(self._text.train, length, count, rng)
        self._wrapped.fit(x, y, size, shuffle=False, verbose=0)

    def _allocation(self, way):
        """Returns an allocation: outliers are those of Wanda's scores, and a
        layer is a block, as OWL's paper has it."""
        within = way.method == "wanda"
        if way.allocation == "uniform":
            return "per_output" if within else "uniform"
        if self._outlying is None:
            objective = self._objective
            wanda = kprune.criteria.get("wanda")
            self._outlying = wanda(
                objective, objective.weights, objective.masks
            )
        found = kprune.allocation.outlier_weighed(
            layers=[f"block_{i}/.*" for i in range(self._sizes.depth)],
            scores=self._outlying,
        )
        return kprune.allocation.per_outputs(found) if within else found


def _copy(source, target):
    """Copies what trains; masks do not."""
    pairs = zip(
        source.trainable_variables, target.trainable_variables, strict=True
    )
    for one, other in pairs:
        other.assign(one)
