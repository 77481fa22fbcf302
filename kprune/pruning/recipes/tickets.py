"""Tickets by smart ratios: what each layer keeps follows from its depth.

Su et al., 2020, https://arxiv.org/abs/2009.11094.
"""

from kprune.pruning.allocation import smart_ratios
from kprune.pruning.pruner import Pruner


def random_tickets(curve="quadratic", vgg=False, linear=0.3):
    """Random tickets, Su et al., 2020: random weights, by smart ratios.

    Args:
        curve, vgg, linear: As for `kprune.allocation.smart_ratios`.
    """
    return Pruner("random", allocation=smart_ratios(curve, vgg, linear))


def hybrid_tickets(curve="quadratic", vgg=False, linear=0.3):
    """Hybrid tickets, Su et al., 2020: the largest of each layer, of as many
    as smart ratios say.

    For a trained network, whose weights are then rewound.

    Args:
        curve, vgg, linear: As for `kprune.allocation.smart_ratios`.
    """
    return Pruner("magnitude", allocation=smart_ratios(curve, vgg, linear))


METHODS = {f.__name__: f for f in (random_tickets, hybrid_tickets)}
