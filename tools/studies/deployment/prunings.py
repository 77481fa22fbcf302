"""How the networks are pruned before they are deployed."""

import dataclasses

import kprune
from deployment import networks


@dataclasses.dataclass(frozen=True)
class Pruning:
    """One way to prune by magnitude.

    Attributes:
        title: What a table calls it.
        sparsity: Share that is removed, or `None` where the granularity says.
        options: Dict of the axes of `kprune.prune`.
        shrink: Whether the model is made physically smaller afterwards.
    """

    title: str
    sparsity: float | None
    options: dict
    shrink: bool = False

    def apply(self, model, data, epochs, seed):
        """Returns a plain model, pruned and trained on for a few steps."""
        pruned = kprune.prune(
            model, "magnitude", self.sparsity, verbose=0, **self.options
        )
        networks.train(pruned, data, epochs, seed)
        if self.shrink:
            return kprune.shrink(pruned, verbose=0)
        return kprune.strip(pruned)


PRUNINGS = {
    "unstructured": Pruning("90 % of weights", 0.9, {"allocation": "erk"}),
    "2_of_4": Pruning("2:4", None, {"granularity": kprune.NM(2, 4)}),
    "channels": Pruning(
        "50 % of channels, shrunk",
        0.5,
        {"granularity": "channel", "allocation": "uniform"},
        shrink=True,
    ),
}
