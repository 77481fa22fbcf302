"""The ways to prune that a study of one-shot pruning compares."""

import dataclasses
import itertools

METHODS = ("magnitude", "wanda", "ria", "sparsegpt")
ALLOCATIONS = ("uniform", "owl")
NM = "2:4"
DENSE = "dense"


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to prune: what it removes is a share, or `"2:4"`."""

    method: str
    allocation: str
    sparsity: object

    def key(self, tuned=False):
        share = self.sparsity
        share = share if share == NM else f"{share:g}"
        return key(f"{self.method}, {self.allocation}, {share}", tuned)


def key(name, tuned=False):
    """Returns what a cell is called: at once, or after training on."""
    return name + ", tuned" * tuned


def shown(sparsity):
    """Returns what is removed, as tables have it."""
    return sparsity if sparsity == NM else f"{100 * sparsity:g} %"


def ways(methods, allocations, sparsities):
    """Returns all ways. N:M leaves nothing to share out among layers."""
    return [
        Way(method, allocation, sparsity)
        for method, allocation, sparsity in itertools.product(
            methods, allocations, sparsities
        )
        if sparsity != NM or allocation == "uniform"
    ]
