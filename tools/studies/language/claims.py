"""What the papers say of the order of methods, checked on the cells.

Wanda: https://arxiv.org/abs/2306.11695. SparseGPT:
https://arxiv.org/abs/2301.00774. OWL: https://arxiv.org/abs/2310.05175. RIA:
https://iclr.cc/virtual/2024/poster/18549.

A claim is a list of pairs of cells, of which the first has the lower
perplexity. Networks of the same seed are compared, by a paired t-test on the
logarithms, and Holm's correction over the pairs of a claim.
"""

import dataclasses

import numpy as np

from kprune.analysis.significance import holm, paired
from language.cells import NM, Way

_LEVEL = 0.05
_HIGH = (0.5, 0.6, 0.7)


@dataclasses.dataclass(frozen=True)
class Claim:
    """What is said, and pairs of ways, the better first."""

    text: str
    pairs: list


def _over(one, other, sparsities=_HIGH, allocations=("uniform", "uniform")):
    """Returns the pairs of two methods at some sparsities."""
    return [
        tuple(
            Way(method, allocation, sparsity)
            for method, allocation in zip(
                (one, other), allocations, strict=True
            )
        )
        for sparsity in sparsities
    ]


def _by_owl(method):
    return _over(method, method, (0.7,), ("owl", "uniform"))


CLAIMS = (
    Claim(
        "Wanda is above magnitude from 50 % on (Wanda)",
        _over("wanda", "magnitude"),
    ),
    Claim(
        "SparseGPT is above magnitude from 50 % on (SparseGPT)",
        _over("sparsegpt", "magnitude"),
    ),
    Claim(
        "Wanda and SparseGPT are above magnitude at 2:4 (Wanda)",
        _over("wanda", "magnitude", (NM,))
        + _over("sparsegpt", "magnitude", (NM,)),
    ),
    Claim(
        "SparseGPT is above Wanda at 70 % (Wanda)",
        _over("sparsegpt", "wanda", (0.7,)),
    ),
    Claim(
        "RIA is above Wanda at 50 % and 2:4 (RIA)",
        _over("ria", "wanda", (0.5, NM)),
    ),
    Claim(
        "OWL is above uniform at 70 %, by Wanda and SparseGPT (OWL)",
        _by_owl("wanda") + _by_owl("sparsegpt"),
    ),
    Claim(
        "No method is at 2:4 above itself at 50 % (all)",
        [
            (Way(method, "uniform", 0.5), Way(method, "uniform", NM))
            for method in ("magnitude", "wanda", "ria", "sparsegpt")
        ],
    ),
)


def verdict(pairs):
    """Returns `"true"`, `"false"` or `"undecided"`, and what each pair says.

    Args:
        pairs: Dict from a name to two arrays of perplexities over seeds, the
            first of which are said to be lower.
    """
    gains = {name: np.log(b) - np.log(a) for name, (a, b) in pairs.items()}
    values = holm({name: paired(gain) for name, gain in gains.items()})
    signs = {
        name: np.sign(gain.mean()) * (values[name] < _LEVEL)
        for name, gain in gains.items()
    }
    answer = "undecided"
    if min(signs.values()) > 0:
        answer = "true"
    elif min(signs.values()) < 0:
        answer = "false"
    told = [
        f"{name} {100 * np.expm1(-gain.mean()):+.1f} %, p = {values[name]:.2g}"
        for name, gain in gains.items()
    ]
    return answer, "; ".join(told)


def rows(perplexities, tuned):
    """Yields a row for each claim: the text, the verdict, the numbers.

    Args:
        perplexities: Function of a key to an array over seeds, which raises
            `LookupError` where there are none.
        tuned: Whether to look at the cells after training on.
    """
    for claim in CLAIMS:
        try:
            pairs = {
                _name(*pair): tuple(perplexities(w.key(tuned)) for w in pair)
                for pair in claim.pairs
            }
        except LookupError as error:
            yield claim.text, "not checked", f"no cell {error.args[0]!r}"
            continue
        yield claim.text, *verdict(pairs)


def _name(one, other):
    """Returns what a pair differs in, and where."""
    share = one.sparsity
    if share != other.sparsity:
        return one.method
    share = share if share == NM else f"{100 * share:g} %"
    return f"{one.method}, {share}"
