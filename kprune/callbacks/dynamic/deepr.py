"""DeepR, deep rewiring (Bellec et al., 2018).

https://arxiv.org/abs/1711.05136
"""

import math

import numpy as np

from kprune.callbacks.dynamic.training_state import MaskUpdate
from kprune.callbacks.dynamic.updater import MaskUpdater, dropped_counts
from kprune.runtime import checks
from kprune.runtime.methods import Method

_BUDGETS = ("layer", "model")
_NOISES = ("paper", "released")


class _Rewiring(MaskUpdater):
    """A weight w = s theta of fixed sign s: active while theta > 0.

        theta <- theta - lr l1 + sqrt(2 lr temperature) normal noise

    after each step, in which the optimizer has followed the gradient.
    """

    every = "1it"
    end = "100%"
    acts_after_steps = True

    def __init__(self, temperature, l1, noise):
        super().__init__(drop_fraction=0.0, anneal="constant")
        checks.number("temperature", temperature, "[0, inf)")
        checks.number("l1", l1, "[0, inf)")
        checks.choice("noise", noise, _NOISES)
        self.temperature = temperature
        self.l1 = l1
        self.noise = noise
        self._signs = {}

    def start(self, moment):
        """Takes the signs of the weights; those of value 0 are drawn."""
        self._signs = {}
        for name, w in moment.weights.items():
            drawn = moment.rng("sign", name).integers(0, 2, w.shape) * 2 - 1
            signs = np.where(w == 0, drawn, np.sign(w))
            self._signs[name] = signs.astype(np.int8)

    def moved(self, moment, name, theta, drift):
        """Returns theta after the noise and, where asked, the L1 drift."""
        rate = moment.learning_rate
        scale = math.sqrt(2 * rate * self.temperature)
        if self.noise == "released":
            scale = 1e-5 * rate
        theta = theta - theta.dtype.type(rate * self.l1) * drift
        if scale:
            rng = moment.rng("noise", name)
            kind = theta.dtype if theta.dtype == np.float64 else np.float32
            noise = rng.standard_normal(theta.shape, dtype=kind)
            theta = theta + theta.dtype.type(scale) * noise
        return theta

    def get_state(self):
        bits = {name: np.packbits(s > 0) for name, s in self._signs.items()}
        return {"signs": bits, **super().get_state()}

    def set_state(self, state):
        super().set_state(state)
        for name, signs in self._signs.items():
            bits = np.unpackbits(state["signs"][name], count=signs.size)
            self._signs[name] = bits.reshape(signs.shape) * np.int8(2) - 1


class DeepR(_Rewiring):
    """Rewires after each step: a weight that changes its sign is dropped.

    A connection is active while its theta is not negative (w = s theta, of a
    fixed sign s). As many as were dropped are drawn among all that are not
    active, and begin at 0, by their own signs. It is meant for plain gradient
    descent; the momentum of what comes and goes is cleared.

    Each step reads and writes all weights from the host and draws a number
    for each: about 10 ms on a CPU for the 266,200 weights of LeNet-300-100.

    Args:
        temperature: Float >= 0, of the noise. Defaults to 1e-8, kprune's own
            choice.
        l1: Float >= 0, how hard weights are drawn to 0. Defaults to 1e-5.
        noise: `"paper"` (default), or `"released"`: lr times normal noise of
            deviation 1e-5, as the released code has it.
        budget: What keeps its number of active weights: `"layer"` (default),
            each, or `"model"`, all together.
    """

    def __init__(
        self, temperature=1e-8, l1=1e-5, noise="paper", budget="layer"
    ):
        super().__init__(temperature, l1, noise)
        checks.choice("budget", budget, _BUDGETS)
        self.budget = budget

    def update(self, moment):
        kept, weights = {}, {}
        for name, mask in moment.masks.items():
            sign = self._signs[name]
            theta = moment.weights[name] * sign
            theta = self.moved(moment, name, theta, drift=1)
            kept[name] = mask & (theta >= 0)
            weights[name] = np.where(kept[name], theta * sign, 0)
        counts = self._grow_counts(moment, kept)
        fresh = {}
        for name, mask in kept.items():
            rng, dormant = moment.rng("grow", name), np.flatnonzero(~mask)
            chosen = rng.choice(dormant, counts[name], replace=False)
            fresh[name] = np.zeros(mask.shape, bool)
            fresh[name].flat[chosen] = True
        masks = {name: kept[name] | fresh[name] for name in kept}
        return MaskUpdate(masks, fresh, weights)

    def _grow_counts(self, moment, kept):
        missing = dropped_counts(moment, kept)
        if self.budget == "layer":
            return missing
        dormant = [int(np.count_nonzero(~mask)) for mask in kept.values()]
        drawn = moment.rng("share").multivariate_hypergeometric(
            dormant, sum(missing.values()), method="marginals"
        )
        return dict(zip(kept, map(int, drawn), strict=True))


class SoftDeepR(_Rewiring):
    """Lets thetas wander below zero and come back: the number is not fixed.

    Active weights (theta > 0) take part in training as DeepR's do. The others
    have the noise alone, down to a least value at which the share of active
    ones in the long run would be that of the masks to begin with, were there
    no gradients:

        theta_min = -(pruned / kept) temperature / l1

    They begin anywhere between there and 0. A weight that comes back begins
    with what its theta is then, and the optimizer's state of it at 0. A step
    costs what DeepR's does.

    Args:
        temperature, l1, noise: As for `DeepR`, the first two > 0; `l1` draws
            active weights only.
    """

    remembers = ("theta", "least")

    def __init__(self, temperature=1e-8, l1=1e-5, noise="paper"):
        super().__init__(temperature, l1, noise)
        why = ": how far below zero weights may go"
        checks.number("temperature", temperature, "(0, inf)", why)
        checks.number("l1", l1, "(0, inf)", why)
        self._theta, self._least = {}, {}

    def start(self, moment):
        super().start(moment)
        self._theta, self._least = {}, {}
        for name, mask in moment.masks.items():
            kept = max(moment.kept[name], 1)
            odds = (mask.size - moment.kept[name]) / kept
            self._least[name] = -odds * self.temperature / self.l1
            drawn = moment.rng("theta", name).random(mask.shape)
            theta = (self._least[name] * drawn).astype(np.float32)
            self._theta[name] = np.where(mask, np.float32(0), theta)

    def update(self, moment):
        masks, weights = {}, {}
        for name, mask in moment.masks.items():
            sign = self._signs[name]
            active = moment.weights[name] * sign
            theta = np.where(mask, active, self._theta[name])
            theta = self.moved(moment, name, theta, drift=mask)
            theta = np.maximum(theta, theta.dtype.type(self._least[name]))
            masks[name] = theta > 0
            self._theta[name] = np.minimum(theta, 0).astype(np.float32)
            weights[name] = np.where(masks[name], theta * sign, 0)
        return MaskUpdate(masks, weights=weights)


METHODS = (
    Method(
        "deepr",
        title="Deep Rewiring",
        call='kprune.callbacks.DynamicSparseTraining("deepr")',
        paper="Bellec et al., 2018",
        link="https://arxiv.org/abs/1711.05136",
        test="tests/callbacks/test_updaters.py::test_deepr_by_hand",
        build=DeepR,
    ),
    Method(
        "soft_deepr",
        title="soft Deep Rewiring",
        call='kprune.callbacks.DynamicSparseTraining("soft_deepr")',
        paper="Bellec et al., 2018",
        link="https://arxiv.org/abs/1711.05136",
        test="tests/callbacks/test_updaters.py::"
        "test_soft_deepr_wanders_and_comes_back",
        build=SoftDeepR,
    ),
)
