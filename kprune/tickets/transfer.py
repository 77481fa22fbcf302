"""Transfers a ticket from one task to another.

Morcos et al., 2019, https://arxiv.org/abs/1906.02773
"""

import numpy as np

from kprune.masking import weights, wrapping
from kprune.runtime import checks, types, user_warnings
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@checked(ticket=checks.model, values=checks.boolean)
def transfer(
    ticket: types.Model, model: types.Model, values: bool = False
) -> types.Model:
    """Returns a network with the masks of a ticket found on another task.

    Weights are matched by name. Weights for which the ticket has no mask of
    the same shape, as in a classifier of other classes, stay dense, and a
    warning names them.

    Args:
        ticket: A wrapped model.
        model: A built model with layers of the same names, plain or wrapped,
            not pruned. It is not modified.
        values: Whether to copy the ticket's weights, biases and statistics
            too, where they fit. Defaults to `False`: only the masks.

    Returns:
        A wrapped copy of `model`, compiled alike if `model` is.

    Raises:
        ValueError: If the ticket has no masks, none of them fits, or `model`
            is pruned.

    Example:

    >>> found = kprune.models.lenet_300_100(classes=10)
    >>> ticket = kprune.prune(found, "magnitude", 0.9, exclude="fc3")
    >>> other = kprune.models.lenet_300_100(classes=10, seed=1)
    >>> same = kprune.tickets.transfer(ticket, other)
    >>> kprune.masks.overlap(kprune.get_masks(ticket), kprune.get_masks(same))
    1.0
    """
    result = wrapping.wrap(model)
    here, there = wrapping.get_masks(result), wrapping.get_masks(ticket)
    if not all(mask.all() for mask in here.values()):
        raise ValueError(
            f"Model {model.name!r} is pruned already. Expected one to take a "
            "ticket's masks that is not."
        )
    masks = {
        name: mask
        for name, mask in there.items()
        if name in here and here[name].shape == mask.shape
    }
    if not masks:
        raise ValueError(
            "No mask of the ticket fits. Expected a model with weights of the "
            f"same names and shapes as {sorted(there)}. Received: "
            f"{sorted(here)}"
        )
    if left := sorted(set(here) - set(masks)):
        user_warnings.warn(
            f"These weights stay dense, for the ticket has no mask of their "
            f"name and shape: {', '.join(left)}."
        )
    if values:
        source = {n: np.asarray(v.value) for n, v in weights.named(ticket)}
        for name, variable in weights.named(result):
            value = source.get(name)
            if value is not None and value.shape == tuple(variable.shape):
                variable.assign(value)
    wrapping.set_masks(result, masks)
    return result


METHOD = Method(
    "transfer",
    title="one ticket for several tasks",
    call="kprune.tickets.transfer(ticket, model)",
    paper="Morcos et al., 2019",
    link="https://arxiv.org/abs/1906.02773",
    test="tests/tickets/test_transferred_tickets.py::"
    "test_masks_go_and_the_classifier_stays_dense",
)
