"""Elastic tickets: turns a ticket of one depth into one of another.

Chen et al., 2021, https://arxiv.org/abs/2103.16547
"""

import collections
import numbers
import re
from collections.abc import Sequence

import numpy as np

from kprune.masking import weights, wrapping
from kprune.runtime import checks, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.runtime.words import shown

_BLOCK = r"stage(\d+)_block(\d+)"


def _pattern(name, value):
    """Returns a regular expression of two groups."""
    try:
        fits = isinstance(value, str) and re.compile(value).groups == 2
    except re.error:
        fits = False
    expected = "a regular expression of two groups, of a stage and of a block"
    return checks.require(fits, name, value, expected)


@checked(
    ticket=checks.model,
    blocks=checks.optional(
        checks.of_class(dict, "a dict from stages to lists")
    ),
    pattern=_pattern,
)
def elastic(
    ticket: types.Model,
    model: types.Model,
    blocks: dict[int, Sequence[int]] | None = None,
    pattern: str = _BLOCK,
) -> types.Model:
    """Stretches or squeezes a ticket to a network of another depth.

    Every block of the deeper or shallower network receives the masks, weights,
    biases and statistics of a block in the same stage of the ticket. Layers
    outside all blocks, such as the stem and the classifier, are copied.

    Args:
        ticket: A wrapped model, such as a residual network, with the weights
            that the new ticket starts from: those it was rewound to.
        model: A built model of the same kind and another depth, plain or
            wrapped. It is not modified.
        blocks: Dict from the number of a stage to a list: for each block of
            `model`, in order, the number of the ticket's block to copy,
            counted from 1. By default the first block, which changes shapes,
            is taken once, and the others are repeated or dropped evenly, with
            copies side by side: from blocks 1 to 3, five are 1, 2, 2, 3, 3;
            from 1 to 5, three are 1, 2, 4.
        pattern: Regular expression with two groups, the number of the stage
            and that of the block in a variable's name. Defaults to that of
            the residual networks of `kprune.models`, `"stage1_block2_..."`.

    Returns:
        A wrapped copy of `model`, compiled if `model` is.

    Raises:
        ValueError: If the ticket has no masks, or the networks or the blocks
            do not match.

    Example:

    >>> ticket = kprune.prune(kprune.models.resnet20(), "magnitude", 0.8)
    >>> deeper = kprune.tickets.elastic(ticket, kprune.models.resnet32())
    >>> 0.75 < kprune.report(deeper).sparsity < 0.85
    True
    """
    masks = wrapping.get_masks(ticket)
    values = {n: np.asarray(v.value) for n, v in weights.named(ticket)}
    result = wrapping.wrap(model)
    variables = dict(weights.named(result))
    places = _Places(pattern, values, variables, blocks)
    taken = {name: places.source(name) for name in variables}
    for name, source in taken.items():
        _check_fit(name, variables[name], source, values)
    for name, source in taken.items():
        variables[name].assign(values[source])
    masks = {n: masks[source] for n, source in taken.items() if source in masks}
    wrapping.set_masks(result, masks)
    return result


class _Places:
    """Maps variables of the new network to variables of the ticket."""

    def __init__(self, pattern, values, variables, blocks):
        self._pattern = re.compile(pattern)
        there, wanted = self._count(values), self._count(variables)
        if not there or set(there) != set(wanted):
            raise ValueError(
                "Expected two networks of the same stages. Received: a ticket "
                f"of stages {sorted(there)} and a model of {sorted(wanted)}, "
                f"by the pattern {pattern!r}."
            )
        self._of = {s: _evenly(there[s], count) for s, count in wanted.items()}
        for stage, chosen in (blocks or {}).items():
            _check_blocks(stage, chosen, there, wanted)
            self._of[stage] = list(chosen)

    def _count(self, names):
        """Returns a dict from stage to its number of blocks."""
        found = collections.defaultdict(int)
        for name in names:
            if match := self._pattern.search(name):
                stage, block = _numbers(match)
                found[stage] = max(found[stage], block)
        return dict(found)

    def source(self, name):
        """Returns the name in the ticket for a name in the network."""
        match = self._pattern.search(name)
        if not match:
            return name
        stage, block = _numbers(match)
        start, stop = match.span(2)
        return f"{name[:start]}{self._of[stage][block - 1]}{name[stop:]}"


def _numbers(match):
    """Returns the numbers of the stage and the block in a match."""
    try:
        stage, block = map(int, match.groups())
    except (TypeError, ValueError) as error:
        raise ValueError(
            "Expected `pattern` to find two numbers in a name. Received: "
            f"{match.groups()} of {match.string!r}"
        ) from error
    return stage, block


def _evenly(there, wanted):
    if there == 1 or wanted == 1:
        return [1] * wanted
    others = wanted - 1
    return [1] + [2 + i * (there - 1) // others for i in range(others)]


def _check_blocks(stage, chosen, there, wanted):
    listed = isinstance(chosen, list | tuple)
    full = listed and len(chosen) == wanted.get(stage)
    if not full or not all(
        isinstance(block, numbers.Integral) and 1 <= block <= there[stage]
        for block in chosen
    ):
        raise ValueError(
            f"`blocks` does not fit stage {stage!r}. Expected stages "
            f"{sorted(wanted)}, each with as many numbers as the model has "
            f"blocks there, {wanted.get(stage)}, from 1 to "
            f"{there.get(stage)}. Received: {shown(chosen)}"
        )


def _check_fit(name, variable, source, values):
    if source not in values:
        raise ValueError(
            f"The ticket has no {source!r} to copy to {name!r}. Expected "
            "`blocks` that fit, or networks of the same kind."
        )
    if tuple(variable.shape) != values[source].shape:
        raise ValueError(
            f"{source!r} does not fit {name!r}. Expected shape "
            f"{tuple(variable.shape)}. Received: {values[source].shape}"
        )


METHOD = Method(
    "elastic",
    title="elastic tickets (E-LTH)",
    call="kprune.tickets.elastic(ticket, model)",
    paper="Chen et al., 2021",
    link="https://arxiv.org/abs/2103.16547",
    test="tests/tickets/test_elastic_tickets.py::"
    "test_stretched_blocks_are_repeated_beside_themselves",
)
