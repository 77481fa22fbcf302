"""Tickets by smart ratios: layer shares that follow from depth.

Su et al., 2020, https://arxiv.org/abs/2009.11094.
"""

from kprune.pruning.allocation import smart_ratios
from kprune.pruning.pruner import Pruner
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@checked(vgg=checks.boolean)
def random_tickets(curve="quadratic", vgg=False, linear=0.3):
    """Random tickets, Su et al., 2020: random weights, by the smart ratios of
    these arguments (`kprune.allocation.smart_ratios`)."""
    return Pruner("random", allocation=smart_ratios(curve, vgg, linear))


@checked(vgg=checks.boolean)
def hybrid_tickets(curve="quadratic", vgg=False, linear=0.3):
    """Hybrid tickets, Su et al., 2020: the largest of each layer, of as many
    as smart ratios say, of a trained network, whose weights are then rewound.
    """
    return Pruner("magnitude", allocation=smart_ratios(curve, vgg, linear))


_PAPER = {
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
