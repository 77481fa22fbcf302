"""Tests which methods of a section differ significantly, and by how much."""

import dataclasses
import itertools

from kprune.runtime import significance, tables

HEAD = (
    "sparsity",
    "method",
    "other",
    "difference",
    "95 % interval",
    "Hedges' g",
    "95 % interval",
    "p",
    "p (Holm)",
    "n",
)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The difference of two methods at one sparsity, the better first.

    Args:
        sparsity: Number.
        method, other: Names of the rows.
        found: `kprune.runtime.significance.Effect` of their accuracies,
            in percent.
        p_value: Number, of Welch's test, with Holm's correction over the
            whole table.
        counts: Tuple of the number of runs of each.
    """

    sparsity: float
    method: str
    other: str
    found: significance.Effect
    p_value: float
    counts: tuple

    @property
    def differs(self):
        """Whether the methods differ by the corrected p-value. Few runs decide
        nothing."""
        enough = significance.enough(*self.counts)
        return enough and self.p_value < significance.LEVEL


def comparisons(section):
    """Returns a `Comparison` of each pair of methods at each sparsity, a list.

    It compares methods with two runs or more there. Sanity checks, which have
    their own verdicts, and the dense network are left out.
    """
    pairs = {}
    for sparsity in section.sparsities:
        rows = [
            (row.name, row.measured[sparsity].values)
            for row in section.rows
            if row.check is None
            and not row.dense
            and sparsity in row.measured
            and row.measured[sparsity].n > 1
        ]
        rows.sort(key=lambda row: -sum(row[1]) / len(row[1]))
        for (one, a), (other, b) in itertools.combinations(rows, 2):
            found = significance.effect(a, b)
            pairs[sparsity, one, other] = found, (len(a), len(b))
    values = {key: found.p_value for key, (found, _) in pairs.items()}
    corrected = significance.holm(values)
    return [
        Comparison(*key, found, corrected[key], counts)
        for key, (found, counts) in pairs.items()
    ]


def caption(found):
    """Returns the caption of a table of comparisons."""
    told = sum(one.differs for one in found)
    least = significance.LEAST_SEEDS
    few = not all(significance.enough(*one.counts) for one in found)
    return (
        "Differences of mean test accuracy in percentage points, and in "
        "standard deviations (Hedges' g), of all pairs. p is of Welch's "
        f"test, two-sided, and by Holm's correction over the {len(found)} "
        f"tests of this table: at 5 % it tells {told} of {len(found)} pairs "
        "apart."
        + (f" Fewer than {least} runs of a method decide nothing." * few)
    )


def cells(one):
    """Returns a comparison as a table row, strings in the order of `HEAD`."""
    found = one.found
    hedges, around = "", ""
    if found.hedges is not None:
        hedges = f"{found.hedges:.2f}"
        around = _interval(found.hedges_interval)
    same = one.counts[0] == one.counts[1]
    return [
        f"{100 * one.sparsity:.6g} %",
        one.method,
        one.other,
        f"{found.mean:+.2f}",
        _interval(found.interval),
        hedges,
        around,
        f"{found.p_value:.2g}",
        f"{one.p_value:.2g}",
        str(one.counts[0]) if same else "{} and {}".format(*one.counts),
    ]


def markdown(found):
    """Returns a caption and a table of comparisons, or an empty string."""
    if not found:
        return ""
    table = tables.markdown(HEAD, [cells(one) for one in found], words=3)
    return f"{caption(found)}\n\n{table}\n"


def _interval(ends):
    return f"[{ends[0]:.2f}, {ends[1]:.2f}]"
