"""Iterated SNIP: sixty rounds, with and without recovery.

de Jorge et al., 2021, https://arxiv.org/abs/2006.09081.
"""

from typing import Any

from kprune.pruning.pruner import Pruner
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.scoring.config import ScoringConfig


@checked(released_code=checks.boolean)
def iter_snip(released_code: bool = False) -> Pruner:
    """Returns Iter-SNIP, de Jorge et al., 2021: sixty rounds of SNIP.

    Pruned weights stay pruned. The first version of the paper
    (arXiv:2006.09081v1) calls this method FORCE: `iter_snip` reproduces its
    tables of "FORCE".

    Args:
        released_code: Whether to differentiate minus the true class's logit
            instead of the loss, which the paper states, and to truncate
            counts.
    """
    return Pruner(
        "snip",
        schedule="exponential",
        rounds=60,
        fresh_batches=True,
        scoring=ScoringConfig(objective="neg_logit") if released_code else None,
        count="floor_keep" if released_code else "round",
    )


@checked(released_code=checks.boolean)
def force(released_code: bool = False) -> Pruner:
    """Returns FORCE, de Jorge et al., 2021: sixty rounds with recovery.

    A weight pruned in one round is scored again in the sparse network and may
    return in a later one. This is FORCE as published at ICLR and in the
    released code; the first version of the paper gives `iter_snip` that name.

    Args:
        released_code: As for `iter_snip`.
    """
    return iter_snip(released_code).with_axes(recover=True)


_PAPER: dict[str, Any] = {
    "paper": "de Jorge et al., 2021",
    "link": "https://arxiv.org/abs/2006.09081",
}
_TEST = (
    "tests/pruning/test_recipes.py::test_force_revives_and_iter_snip_does_not"
)
METHODS = (
    Method(
        "iter_snip",
        title="Iter-SNIP",
        formula=r"\left\lvert w \odot m \odot \frac{\partial L}{\partial w}(w "
        r"\odot m) \right\rvert",
        call='kprune.prune(model, "iter_snip", 0.99, data=data, rounds=60)',
        test=_TEST,
        build=iter_snip,
        **_PAPER,
    ),
    Method(
        "force",
        title="FORCE",
        formula=r"\left\lvert w \odot \frac{\partial L}{\partial w}(w \odot m) "
        r"\right\rvert, \quad w \text{ dense}",
        call='kprune.prune(model, "force", 0.99, data=data, rounds=60)',
        test=_TEST,
        build=force,
        **_PAPER,
    ),
    Method(  # Their baseline, SNIP on several batches.
        "snip",
        title="SNIP-MB",
        test="tests/pruning/test_criteria.py::"
        "test_the_mean_of_what_batches_give_is_not_that_of_their_mean",
        **_PAPER,
    ),
)
