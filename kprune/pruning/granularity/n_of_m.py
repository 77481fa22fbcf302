"""N of every M weights along the inputs."""

import dataclasses

import numpy as np

from kprune.masking.layouts import Layout
from kprune.pruning.granularity.base import Granularity, put_back
from kprune.runtime import checks


@dataclasses.dataclass(frozen=True)
class NM(Granularity):
    """N of every M weights kept, along the input axis: `NM(2, 4)` is 2:4.

    The pattern fixes the sparsity of each weight tensor at 1 - n / m. Weights
    whose number of inputs is not a multiple of m are skipped, and reported.

    Args:
        n: Integer >= 1, how many of m consecutive inputs of an output to keep.
        m: Integer > n, the number of consecutive inputs.

    Mishra et al., 2021, https://arxiv.org/abs/2104.08378.
    """

    n: int
    m: int

    def __post_init__(self):
        checks.integer("n", self.n, 1)
        checks.integer("m", self.m, self.n + 1, ", more than n")

    @property
    def sparsity(self) -> float:  # type: ignore[override]
        return 1 - self.n / self.m

    def unfit(self, layout: Layout) -> str | None:
        if not layout.inputs or set(layout.inputs) & set(layout.outputs):
            return "has no input axis for an N:M pattern"
        inputs = int(np.prod([layout.view[a] for a in layout.inputs]))
        if inputs % self.m:
            return f"{inputs} inputs, not a multiple of {self.m} for N:M"
        return None

    def pool(
        self,
        scores: np.ndarray,
        alive: np.ndarray,
        layout: Layout,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Returns minus the rank of each weight among its m neighbours.

        At the fixed sparsity, the top k of these are the best n of each m.
        """
        runs = self._runs(np.where(alive, scores, -np.inf), layout)
        ties = rng.random(runs.shape, dtype=np.float32)
        order = np.lexsort((ties, -runs), axis=-1)
        ranks = np.empty_like(order)
        places = np.broadcast_to(np.arange(self.m), order.shape)
        np.put_along_axis(ranks, order, places, axis=-1)
        return -put_back(ranks.astype(np.float32), layout, _inputs_last(layout))

    def check(self, mask: np.ndarray, layout: Layout) -> None:
        kept = self._runs(mask, layout).sum(axis=-1)
        if (kept != self.n).any():
            raise ValueError(
                f"The masks are not {self.n}:{self.m}: some runs keep "
                f"{sorted(set(kept.ravel().tolist()))} of {self.m}. Use "
                'allocation "global" or "uniform", and a model without masks '
                "of another pattern."
            )

    def _runs(self, array, layout):
        moved = np.transpose(array.reshape(layout.view), _inputs_last(layout))
        return moved.reshape(-1, self.m)


def _inputs_last(layout):
    rest = [a for a in range(len(layout.view)) if a not in layout.inputs]
    return rest + list(layout.inputs)
