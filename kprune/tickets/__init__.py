"""Lottery tickets: subnetworks found by training, pruning and rewinding.

Training(data, epochs=10)        the training of each level
imp(model, training, levels=10)  a ticket after each level of pruning
prac(model, training, levels=16) the same, on fewer and fewer examples
after_training(model, training, s)  the ticket of a single pruning
elastic(ticket, model)           a ticket of another depth
transfer(ticket, model)          a ticket for another task
zhou_masks(initial, final)       masks from initial and final weights
"""

from kprune.tickets.elastic import elastic
from kprune.tickets.fractions import layer_fractions
from kprune.tickets.imp import after_training, imp
from kprune.tickets.mask_actions import (
    ONE_ACTIONS,
    ZERO_ACTIONS,
    zhou_values,
)
from kprune.tickets.mask_criteria import CRITERIA, zhou_masks
from kprune.tickets.prac import prac
from kprune.tickets.ticket import Ticket
from kprune.tickets.training import Training
from kprune.tickets.transfer import transfer

__all__ = [
    "CRITERIA",
    "ONE_ACTIONS",
    "ZERO_ACTIONS",
    "Ticket",
    "Training",
    "after_training",
    "elastic",
    "imp",
    "layer_fractions",
    "prac",
    "transfer",
    "zhou_masks",
    "zhou_values",
]
