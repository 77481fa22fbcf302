"""Tells which methods of a section lack their shuffled baseline.

A method that only finds how many weights each layer needs does as well with
its masks shuffled within layers (Frankle et al., 2021,
https://arxiv.org/abs/2009.08576): a comparison of methods needs that row.
"""

from kprune.experiment import checking

BASELINE = "shuffle"
# Shuffled, they are what they were.
_SHUFFLED = ("random",)


def missing(section):
    """Returns a paragraph on the methods without a shuffled baseline, with the
    command that adds it.

    It is empty if no method lacks one, or if the section compares no methods:
    if it has fewer than two besides the dense network.
    """
    plain = [row for row in section.rows if row.check is None and row.measured]
    plain = [row for row in plain if not row.dense]
    checked = {
        row.method: set(row.measured)
        for row in section.rows
        if row.check == BASELINE
    }
    lacking, sparsities = [], set()
    for row in plain:
        left = set(row.measured) - checked.get(row.method, set())
        if left and _can_be_shuffled(row.pruner):
            lacking.append(row.method)
            sparsities |= left
    if len(plain) < 2 or not lacking:
        return ""
    # A sweep takes the name, or a paper's label, without the settings.
    names = dict.fromkeys(name.partition(" (")[0] for name in lacking)
    return (
        f"No shuffled baseline: {', '.join(lacking)}. Without it, this table "
        "does not show whether they choose weights or only how many each "
        "layer keeps. The sweep of these runs adds it with "
        f"`--methods={','.join(names)} --checks={BASELINE} "
        f"--sparsities={','.join(f'{s:g}' for s in sorted(sparsities))} "
        f"--seeds={','.join(map(str, section.seeds))}`."
    )


def _can_be_shuffled(method):
    if method in _SHUFFLED:
        return False
    try:
        checking.refuse_unfit(method, BASELINE)
    except ValueError:
        return False
    return True
