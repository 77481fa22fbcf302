"""Turns given scores into a criterion."""

import dataclasses

from kprune.masking import weights
from kprune.runtime import checks
from kprune.runtime.words import shown


@dataclasses.dataclass(frozen=True, eq=False)
class GivenScores:
    """A criterion that returns precomputed scores.

    Args:
        scores: Dict from weight name to an array of scores, as `kprune.score`
            returns it, with an entry for each weight to prune.
    """

    scores: dict

    def __post_init__(self):
        named = self.scores and all(isinstance(n, str) for n in self.scores)
        expected = "a dict of scores by weight name, as kprune.score gives it"
        checks.require(named, "method", self.scores, expected)

    def __call__(self, objective, dense, masks):
        del masks
        known = {w.name for w in weights.find(objective.model)}
        unknown = sorted(set(self.scores) - known)
        missing = sorted(set(dense) - set(self.scores))
        if unknown or missing:
            raise ValueError(
                "Expected scores of each weight that is pruned, and of no "
                f"other: leave weights out by `exclude`. Missing: "
                f"{shown(missing)}. Unknown: {shown(unknown)}"
            )
        return {name: self.scores[name] for name in dense}
