"""Single weights."""

import dataclasses

from kprune.pruning.granularity.base import Granularity


@dataclasses.dataclass(frozen=True)
class Weight(Granularity):
    """Single weights: unstructured pruning."""

    def pool(self, scores, alive, layout, rng):
        """Returns one score per weight."""
        del alive, layout, rng
        return scores

    def live(self, alive, layout):
        """Returns which groups may be kept: here, which weights."""
        del layout
        return alive

    def expand(self, kept, layout):
        """Returns the mask that keeps the weights `kept`."""
        return kept.reshape(layout.shape)
