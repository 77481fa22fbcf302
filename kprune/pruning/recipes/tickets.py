"""Tickets by smart ratios: layer shares that follow from depth.

Su et al., 2020, https://arxiv.org/abs/2009.11094.
"""

from typing import Any

from kprune.pruning.allocation import smart_ratios
from kprune.pruning.pruner import Pruner
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@checked(vgg=checks.boolean)
def random_tickets(
    curve: str = "quadratic", vgg: bool = False, linear: float | None = 0.3
) -> Pruner:
    """Returns random tickets, Su et al., 2020: random masks by smart ratios.

    Args:
        curve, vgg, linear: As for `kprune.allocation.smart_ratios`.
    """
    return Pruner("random", allocation=smart_ratios(curve, vgg, linear))


@checked(vgg=checks.boolean)
def hybrid_tickets(
    curve: str = "quadratic", vgg: bool = False, linear: float | None = 0.3
) -> Pruner:
    """Returns hybrid tickets, Su et al., 2020: magnitude by smart ratios.

    For a trained network, whose weights are rewound after pruning.

    Args:
        curve, vgg, linear: As for `kprune.allocation.smart_ratios`.
    """
    return Pruner("magnitude", allocation=smart_ratios(curve, vgg, linear))


_PAPER: dict[str, Any] = {
    "paper": "Su et al., 2020",
    "link": "https://arxiv.org/abs/2009.11094",
    "test": "tests/pruning/test_ticket_recipes.py::test_what_each_layer_keeps",
}
METHODS = (
    Method(
        "random_tickets",
        title="random tickets",
        call='kprune.prune(model, "random_tickets", 0.9)',
        build=random_tickets,
        **_PAPER,
    ),
    Method(
        "hybrid_tickets",
        title="hybrid tickets",
        call='kprune.prune(model, "hybrid_tickets", 0.9)',
        build=hybrid_tickets,
        **_PAPER,
    ),
)
