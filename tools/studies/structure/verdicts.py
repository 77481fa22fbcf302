"""Claims of a paper about methods, and what the seeds say of them.

A claim is a function of the results and of the iterated method taken for the
paper's FORCE. It returns differences within the same seed, of which it says
that all are positive, and the numbers, means over the seeds. Each difference
has a paired t-test; Holm's correction is over all verdicts of the table.
"""

import dataclasses
import functools
from collections.abc import Callable

from kprune.runtime import significance
from structure.tables import label, number, percent, titled

_OURS = ("iter_snip", "force")  # As version 1 has it, and the later one.


@dataclasses.dataclass(frozen=True)
class Claim:
    """What the paper says and where, first letters of the networks it is said
    of, and the check of it."""

    text: str
    place: str
    family: str
    check: Callable


def claim(claims, text, place, family="", **options):
    """Puts a check into a list; of several claims, the last comes first."""

    def put(check):
        checked = functools.partial(check, **options)
        claims.append(Claim(text, place, family, checked))
        return check

    return put


def table(results, family, claims):
    """Returns the claims about a family of networks as Markdown."""
    ours = [method for method in _OURS if method in results.methods]
    if not ours:
        return f"No claim is checked without {' or '.join(_OURS)}.\n"
    claims = [c for c in claims if c.family in ("", family)]
    found = {
        (c.text, method): _checked(c, results, method)
        for c in claims
        for method in ours
    }
    values = significance.holm(
        {key: f.p_value for key, (f, _) in found.items() if f}
    )
    rows = [
        [
            f"{c.text} ({c.place})",
            *(
                _answer(*found[c.text, method], values.get((c.text, method)))
                for method in ours
            ),
        ]
        for c in claims
    ]
    head = ["", *map(label, ours)]
    title = (
        f"What the paper says of its method, checked on {len(results.seeds)} "
        f"seeds (p: after Holm's correction for {len(values)} verdicts):"
    )
    return titled(title, head, rows, words=len(head))


def _checked(claim, results, ours):
    """Returns a finding and the numbers, or None and why there is none."""
    try:
        gains, numbers = claim.check(results, ours)
    except LookupError as error:
        return None, error.args[0]
    return significance.conjunction(gains), numbers


def _answer(finding, numbers, p_value):
    if finding is None:
        return f"not checked: {numbers}"
    answer = finding.answer(p_value)
    return f"**{answer}**, p = {p_value:.2g}: {numbers}"


def pairs(values):
    """Returns pairs of a name and a number in words."""
    return ", ".join(f"{key}: {number(value)}" for key, value in values)


def by_sparsity(sparsities, values):
    """Returns numbers in words, each with its sparsity."""
    return pairs(zip(map(percent, sparsities), values, strict=True))


def trio(ours):
    """Returns the methods that the paper compares."""
    return ("snip", "grasp", ours)
