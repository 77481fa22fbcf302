"""DNS: Guo et al., 2016, Dynamic Network Surgery for Efficient DNNs.

https://arxiv.org/abs/1608.04493
"""

import numpy as np

from kprune.callbacks.dynamic.training_state import MaskUpdate, TrainingState
from kprune.callbacks.dynamic.updater import MaskUpdater
from kprune.masking import weights as weights_
from kprune.runtime import checks
from kprune.runtime.methods import Method


class DNS(MaskUpdater):
    """Prunes and splices weights by two thresholds, while all weights train.

        b = max(mu + c sigma, 0)
        pruned   if |w| <= 0.9 b
        restored if |w| > 1.1 b
        unchanged otherwise

    mu and sigma are the mean and deviation of |w| over the nonzero entries of
    a weight when training begins, and stay fixed. Pruned weights keep their
    values under the mask and train on the gradients that they would have if
    kept, so that they can return. At step t the mask of each weight is
    refreshed, on the host, with probability (1 + gamma t)^-power. c determines
    the sparsity, and the model need not be pruned first: the paper starts with
    a trained one. Biases are not pruned here and do not count.

    Args:
        c: Number, or a dict of numbers by name or pattern of weights or
            layers that covers all weights. Higher prunes more. Defaults to 1,
            kprune's choice; the released example has 4 for the first layer of
            LeNet-300-100.
        gamma, power: Floats >= 0. Default to 1e-4 and 1.
    """

    every = "1it"
    keep_pruned_values = True
    keeps_slots = True
    needs_pruned = False
    remembers = ("bases",)

    def __init__(
        self,
        c: float | dict[str, float] = 1.0,
        gamma: float = 1e-4,
        power: float = 1.0,
    ) -> None:
        super().__init__(drop_fraction=0.0, anneal="constant")
        for value in c.values() if isinstance(c, dict) else [c]:
            checks.number("c", value)
        checks.number("gamma", gamma, "[0, inf)")
        checks.number("power", power, "[0, inf)")
        self.c = c
        self.gamma = gamma
        self.power = power
        self._bases: dict[str, float] = {}

    def start(self, moment: TrainingState) -> None:
        strengths = self._strengths(moment.weights)
        self._bases = {}
        for name, w in moment.weights.items():
            size = np.abs(w[w != 0]).astype(np.float64)
            mean, deviation = (size.mean(), size.std()) if size.size else (0, 0)
            base = mean + strengths[name] * deviation
            self._bases[name] = float(max(base, 0.0))

    def update(self, moment: TrainingState) -> MaskUpdate:
        chance = (1 + self.gamma * moment.step) ** -self.power
        masks = {}
        for name, mask in moment.masks.items():
            if moment.rng("refresh", name).random() < chance:
                size, base = np.abs(moment.weights[name]), self._bases[name]
                mask = (size > 1.1 * base) | (mask & (size > 0.9 * base))
            masks[name] = mask
        # Restored entries have trained under the mask: none is reset.
        fresh = {name: np.zeros(m.shape, bool) for name, m in masks.items()}
        return MaskUpdate(masks, fresh)

    def _strengths(self, names):
        if not isinstance(self.c, dict):
            return dict.fromkeys(names, self.c)
        found = {}
        for pattern, value in self.c.items():
            for name in weights_.matched(pattern, names, "weight in `c`"):
                found.setdefault(name, value)
        if missing := sorted(set(names) - set(found)):
            raise ValueError(
                "Expected `c` to have a number for each weight. Missing: "
                f"{missing}"
            )
        return found


METHOD = Method(
    "dns",
    title="dynamic network surgery",
    call='kprune.callbacks.DynamicSparseTraining("dns")',
    paper="Guo et al., 2016",
    link="https://arxiv.org/abs/1608.04493",
    test="tests/callbacks/test_updaters.py::test_dns_by_hand",
    build=DNS,
)
