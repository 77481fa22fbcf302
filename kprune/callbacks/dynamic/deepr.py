"""DeepR, deep rewiring (Bellec et al., 2018).

https://arxiv.org/abs/1711.05136
"""

import math
from typing import Any

import numpy as np

from kprune.callbacks.dynamic.training_state import MaskUpdate, TrainingState
from kprune.callbacks.dynamic.updater import MaskUpdater, dropped_counts
from kprune.runtime import checks
from kprune.runtime.methods import Method

_BUDGETS = ("layer", "model")
_NOISES = ("paper", "released")


class _Rewiring(MaskUpdater):
    """Base of both: a weight w = s theta of fixed sign s, active at theta > 0.

        theta <- theta - lr l1 + sqrt(2 lr temperature) normal noise

    after each gradient step of the optimizer.
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

    def start(self, moment: TrainingState) -> None:
        """Sets the signs to those of the weights; draws signs of zeros."""
        self._signs = {}
        for name, w in moment.weights.items():
            drawn = moment.rng("sign", name).integers(0, 2, w.shape) * 2 - 1
            signs = np.where(w == 0, drawn, np.sign(w))
            self._signs[name] = signs.astype(np.int8)

    def moved(self, moment, name, theta, drift):
        """Returns theta after the noise and the L1 drift times `drift`."""
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

    def get_state(self) -> dict[str, Any]:
        bits = {name: np.packbits(s > 0) for name, s in self._signs.items()}
        return {"signs": bits, **super().get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        for name, signs in self._signs.items():
            bits = np.unpackbits(state["signs"][name], count=signs.size)
            self._signs[name] = bits.reshape(signs.shape) * np.int8(2) - 1


class DeepR(_Rewiring):
    """Rewires after each step: drops weights that change their sign.

    A connection is active while its theta is not negative (w = s theta with
    a fixed sign s). As many as were dropped grow at random among the inactive
    ones, at 0, with their own signs. It is meant for plain gradient descent;
    the momentum of entries that come or go is cleared.

    Each step reads and writes all weights on the host and draws a number for
    each: about 10 ms on a CPU for the 266,200 weights of LeNet-300-100.

    Args:
        temperature: Float >= 0, of the noise. Defaults to 1e-8, kprune's
            choice.
        l1: Float >= 0, the strength of the L1 penalty. Defaults to 1e-5.
        noise: `"paper"` (default), or `"released"`: lr times normal noise of
            deviation 1e-5, as in the released code.
        budget: Whether the number of active weights is constant in each
            weight tensor, `"layer"` (default), or in all together, `"model"`.
    """

    def __init__(
        self,
        temperature: float = 1e-8,
        l1: float = 1e-5,
        noise: str = "paper",
        budget: str = "layer",
    ) -> None:
        super().__init__(temperature, l1, noise)
        checks.choice("budget", budget, _BUDGETS)
        self.budget = budget

    def update(self, moment: TrainingState) -> MaskUpdate:
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
    """DeepR with a varying number of weights: thetas walk around zero.

    Active weights (theta > 0) train as DeepR's do. The thetas of the others
    follow the noise alone, down to the least value

        theta_min = -(pruned / kept) temperature / l1

    at which, without gradients, the share of active weights in the long run
    would be that of the initial masks. They start uniformly between theta_min
    and 0. A weight that returns starts at its theta, with the optimizer's
    state at 0. A step costs as much as DeepR's.

    Args:
        temperature, l1, noise: As for `DeepR`, the first two > 0; `l1`
            penalizes active weights only.
    """

    remembers = ("theta", "least")

    def __init__(
        self,
        temperature: float = 1e-8,
        l1: float = 1e-5,
        noise: str = "paper",
    ) -> None:
        super().__init__(temperature, l1, noise)
        why = ": how far below zero weights may go"
        checks.number("temperature", temperature, "(0, inf)", why)
        checks.number("l1", l1, "(0, inf)", why)
        self._theta, self._least = {}, {}  # type: Any, Any

    def start(self, moment: TrainingState) -> None:
        super().start(moment)
        self._theta, self._least = {}, {}
        for name, mask in moment.masks.items():
            kept = max(moment.kept[name], 1)
            odds = (mask.size - moment.kept[name]) / kept
            self._least[name] = -odds * self.temperature / self.l1
            drawn = moment.rng("theta", name).random(mask.shape)
            theta = (self._least[name] * drawn).astype(np.float32)
            self._theta[name] = np.where(mask, np.float32(0), theta)

    def update(self, moment: TrainingState) -> MaskUpdate:
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
