"""What "Progressive Skeletonization" says of structure and saliency, checked.

De Jorge et al. (2021), https://arxiv.org/abs/2006.09081v1, sections 5.1 to 5.3
and appendix B. A claim is a function of the results and of the iterated method
taken for the paper's FORCE; it returns whether it holds and the numbers, means
over the seeds. "Similar" and "no significant impact" are taken for 10 %.
"""

import dataclasses
import functools
import itertools
import operator
from collections.abc import Callable

import numpy as np

from structure.tables import label, number, percent, titled

_OURS = ("iter_snip", "force")  # As version 1 has it, and the later one.
_HIGH = 0.99  # Where section 5.1 finds that one-shot methods break down.
_NEAR = 0.1

CLAIMS = []


@dataclasses.dataclass(frozen=True)
class Claim:
    """What the paper says and where, first letters of the networks it is said
    of, and the check of it."""

    text: str
    place: str
    family: str
    check: Callable


def claim(text, place, family="", **options):
    """Puts a check into the table; of several claims, the last comes first."""

    def put(check):
        checked = functools.partial(check, **options)
        CLAIMS.append(Claim(text, place, family, checked))
        return check

    return put


def table(results, family):
    """Returns the claims about a family of networks as Markdown."""
    ours = [method for method in _OURS if method in results.methods]
    if not ours:
        return f"No claim is checked without {' or '.join(_OURS)}.\n"
    rows = [
        [f"{c.text} ({c.place})", *(_answer(c, results, m) for m in ours)]
        for c in CLAIMS
        if c.family in ("", family)
    ]
    head = ["", *map(label, ours)]
    title = "What the paper says of its method, checked with:"
    return titled(title, head, rows, words=len(head))


def _answer(claim, results, ours):
    try:
        holds, numbers = claim.check(results, ours)
    except LookupError as error:
        return f"not checked: {error.args[0]}"
    return f"**{str(bool(holds)).lower()}**: {numbers}"


def _pairs(pairs):
    return ", ".join(f"{key}: {number(value)}" for key, value in pairs)


def _by_sparsity(sparsities, values):
    return _pairs(zip(map(percent, sparsities), values, strict=True))


def _all(test, ratios):
    """Whether all ratios pass in which there is something to compare."""
    return all(test(ratio) for ratio in ratios if not np.isnan(ratio))


def _high(results):
    found = [sparsity for sparsity in results.sparsities if sparsity >= _HIGH]
    if not found:
        raise LookupError(f"no sparsity from {_HIGH} on")
    return found


def _trio(ours):
    return ("snip", "grasp", ours)


@claim("Without high sparsity, rounds change the saliency little", "5.3")
def moderate(results, ours):
    low = results.sparsities[0]
    gain = results.over_snip(ours, low)
    return abs(gain - 1) <= _NEAR, f"x {number(gain)} at {percent(low)}"


@claim("The gain over SNIP is higher at high sparsity", "5.3, figure 4a")
def growing(results, ours):
    gains = {s: results.over_snip(ours, s) for s in results.sparsities}
    high = _high(results)
    low = [gain for sparsity, gain in gains.items() if sparsity not in high]
    if not low:
        raise LookupError(f"no sparsity below {_HIGH}")
    holds = np.nanmin([gains[sparsity] for sparsity in high]) > max(low)
    return holds, _by_sparsity(gains, gains.values())


@claim("A few rounds are enough: the last ones add little", "5.2, figure 4")
def plateau(results, ours):
    rounds = results.batches(ours)
    last = (ours, rounds[-1])
    before = (ours, rounds[-2]) if len(rounds) > 1 else ("snip", 1)
    gains = [results.gain(last, before, s) for s in results.sparsities]
    holds = _all(lambda gain: abs(gain - 1) <= _NEAR, gains)
    numbers = _by_sparsity(results.sparsities, gains)
    return holds, f"from {before[1]} to {last[1]} rounds, {numbers}"


@claim(
    "In many rounds both schedules gain the same",
    "B.1, figure 5",
    at=-1,
    test=lambda ratio: abs(ratio - 1) <= _NEAR,
)
@claim(
    "An exponential schedule gains more than a linear one in few rounds",
    "B.1, figure 5",
    at=0,
    test=lambda ratio: ratio > 1,
)
def schedules(results, ours, at, test):
    rounds = results.batches(ours)[at]
    high = _high(results)
    linear = (f"{ours}_linear", rounds)
    ratios = [results.gain((ours, rounds), linear, s) for s in high]
    numbers = _by_sparsity(high, ratios)
    return _all(test, ratios), f"{rounds} rounds, {numbers}"


@claim("SNIP and GraSP keep much of the saliency, too", "B.2, figure 6a")
def one_shot_keeps(results, ours):
    del ours
    low = results.sparsities[0]
    snip, grasp, random = (
        results.over_dense("saliency", method, low)
        for method in ("snip", "grasp", "random")
    )
    return min(snip, grasp) > random, (
        f"at {percent(low)} SNIP {number(snip)}, GraSP {number(grasp)}, random "
        f"{number(random)}"
    )


@claim("The saliency falls with sparsity, by every method", "B.2, figure 6a")
def falling(results, ours):
    numbers, holds, shares = [], True, results.sparsities
    for method in _trio(ours):
        over = [results.over_dense("saliency", method, s) for s in shares]
        holds &= all(a >= b for a, b in itertools.pairwise(over))
        ends = f"{number(over[0])} to {number(over[-1])}"
        numbers.append(f"{label(method)} {ends}")
    return holds, ", ".join(numbers)


@claim(
    "It keeps more of the gradient norm than GraSP and SNIP, at high sparsity",
    "B.2, figure 6b",
    key="gradient_norm",
)
@claim(
    "It keeps more of the saliency than the one-shot methods, at high sparsity",
    "B.2, figure 6a",
    key="saliency",
)
def keeps_more(results, ours, key):
    numbers, holds = [], True
    for sparsity in _high(results):
        snip, grasp, own = (
            results.over_dense(key, method, sparsity) for method in _trio(ours)
        )
        holds &= own > max(snip, grasp)
        numbers.append(
            f"{percent(sparsity)}: {number(own)} against {number(grasp)} of "
            f"GraSP, {number(snip)} of SNIP"
        )
    return holds, "; ".join(numbers)


@claim(
    "All methods keep much of the first and the last layer and little of the "
    "deep convolutions",
    "B.3, figure 7a, d",
)
def ends(results, ours):
    sparsity = results.sparsities[-1]
    numbers, holds = [], True
    for method in _trio(ours):
        shares = results.shares(method, sparsity)
        first, deep, last = shares[0], _deep(results, method), shares[-1]
        holds &= min(first, last) > 1 - sparsity > deep
        parts = [number(100 * share) for share in (first, deep, last)]
        numbers.append(f"{label(method)} {', '.join(parts)} %")
    return holds, "; ".join(numbers)


def _deep(results, method):
    """Returns what the last convolutions keep, at the highest sparsity."""
    chosen = np.array(results.stages) == results.stages[-2]
    kept = results.kept(method, results.sparsities[-1]).mean(0)
    return float(kept[chosen].sum() / results.sizes[chosen].sum())


@claim(
    "It spreads what is kept over the layers more like GraSP than like SNIP",
    "B.3, figure 7b, e",
)
def like_grasp(results, ours):
    sparsity = results.sparsities[-1]
    snip, grasp, own = (
        results.kept(method, sparsity).mean(0) for method in _trio(ours)
    )
    to_grasp, to_snip = (
        np.abs(own - other).sum() / 2 / own.sum() for other in (grasp, snip)
    )
    return to_grasp < to_snip, (
        f"{number(100 * to_grasp)} % of the weights lie in other layers than "
        f"GraSP's, {number(100 * to_snip)} % in other than SNIP's"
    )


@claim(
    "It keeps less of the deep layers than GraSP and SNIP",
    "B.3",
    "res",
    better=operator.lt,
)
@claim(
    "It keeps more of the deep layers than GraSP and SNIP",
    "B.3",
    "vgg",
    better=operator.gt,
)
def in_the_deep(results, ours, better):
    snip, grasp, own = (_deep(results, method) for method in _trio(ours))
    return better(own, snip) and better(own, grasp), (
        f"{number(100 * own)} % of {results.stages[-2]} against "
        f"{number(100 * grasp)} % by GraSP, {number(100 * snip)} % by SNIP"
    )


@claim("All methods empty some layers", "5.3, figure 7c", "res")
def all_empty(results, ours):
    counts = _empty(results, ours)
    pairs = zip(map(label, _trio(ours)), counts, strict=True)
    return min(counts) > 0, _pairs(pairs)


@claim(
    "It empties more layers than GraSP, and a few deep layers keep far more",
    "B.3, figure 7c",
    "res",
)
def few_deep(results, ours):
    sparsity = results.sparsities[-1]
    chosen = np.array(results.stages) == results.stages[-2]
    _, grasp, own = _empty(results, ours)
    most = [
        results.kept(method, sparsity)[:, chosen].max(1).mean()
        for method in (ours, "grasp")
    ]
    return own > grasp and most[0] > most[1], (
        f"{number(own)} empty against {number(grasp)}; the fullest of "
        f"{results.stages[-2]} keeps {most[0]:.0f} against {most[1]:.0f}"
    )


def _empty(results, ours):
    sparsity = results.sparsities[-1]
    return [results.empty(method, sparsity).mean() for method in _trio(ours)]


@claim(
    "Without skip connections no layer may be empty: none is at the highest "
    "sparsity, and the gradient gets through",
    "5.3",
    "vgg",
)
def none_empty(results, ours):
    sparsity = results.sparsities[-1]
    empty = results.empty(ours, sparsity)
    norms = results.value("gradient_norm", ours, sparsity)
    return not empty.any() and min(norms) > 0, (
        f"{number(empty.mean())} empty at {percent(sparsity)}, gradient norm "
        f"at least {number(min(norms))}"
    )


@claim("SNIP on one batch is broken at 99 %", "5.1, by accuracy")
def snip_broken(results, ours):
    del ours
    empty = results.empty("snip", _HIGH).mean()
    norm = max(results.value("gradient_norm", "snip", _HIGH))
    return norm == 0, f"{number(empty)} empty, gradient norm {number(norm)}"


@claim("More batches mend SNIP at 99 %", "5.1, by accuracy")
def batches_mend(results, ours):
    del ours
    gain = results.over_snip("snip_mb", _HIGH)
    one, many = (results.empty(m, _HIGH).mean() for m in ("snip", "snip_mb"))
    return gain > 1 and many <= one, (
        f"saliency x {number(gain)}, {number(many)} empty against {number(one)}"
    )
