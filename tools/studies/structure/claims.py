"""What "Progressive Skeletonization" says of saliency and gradients, checked.

De Jorge et al. (2021), https://arxiv.org/abs/2006.09081v1, sections 5.1 to 5.3
and appendix B.2. "Similar" and "no significant impact" are taken for 10 %.
"""

import functools
import itertools

import numpy as np

from structure import verdicts
from structure.tables import label, number, percent
from structure.verdicts import by_sparsity, trio

_HIGH = 0.99  # Where section 5.1 finds that one-shot methods break down.
_NEAR = 0.1
_BROKEN = 0.01  # Of the dense network's gradient.

CLAIMS = []
claim = functools.partial(verdicts.claim, CLAIMS)


def _near(one, other, name=""):
    """Returns the differences that say of two arrays that one is within a
    tenth of the other, none where neither has anything."""
    if not one.any() and not other.any():
        return {}
    return {
        f"{name} not above": (1 + _NEAR) * other - one,
        f"{name} not below": one - (1 - _NEAR) * other,
    }


def _some(gains):
    if not gains:
        raise LookupError("nothing to compare")
    return gains


def _high(results):
    found = [sparsity for sparsity in results.sparsities if sparsity >= _HIGH]
    if not found:
        raise LookupError(f"no sparsity from {_HIGH} on")
    return found


@claim("Without high sparsity, rounds change the saliency little", "5.3")
def moderate(results, ours):
    low = results.sparsities[0]
    own, snip = (_saliency(results, m, low) for m in (ours, "snip"))
    gain = results.over_snip(ours, low)
    return _near(own, snip), f"x {number(gain)} at {percent(low)}"


def _saliency(results, method, sparsity, batches=None):
    return results.relative("saliency", method, sparsity, batches)


@claim("The gain over SNIP is higher at high sparsity", "5.3, figure 4a")
def growing(results, ours):
    gains = {s: results.over_snip(ours, s) for s in results.sparsities}
    high = _high(results)
    low = [sparsity for sparsity in gains if sparsity not in high]
    if not low:
        raise LookupError(f"no sparsity below {_HIGH}")
    own, snip = (
        {s: _saliency(results, method, s) for s in gains}
        for method in (ours, "snip")
    )
    # own / snip is larger at `one`, without the division: SNIP may have none.
    larger = {
        (one, other): own[one] * snip[other] - own[other] * snip[one]
        for one, other in itertools.product(high, low)
    }
    return larger, by_sparsity(gains, gains.values())


@claim("A few rounds are enough: the last ones add little", "5.2, figure 4")
def plateau(results, ours):
    rounds = results.batches(ours)
    last = (ours, rounds[-1])
    before = (ours, rounds[-2]) if len(rounds) > 1 else ("snip", 1)
    gains = [results.gain(last, before, s) for s in results.sparsities]
    near = {}
    for s in results.sparsities:
        (one, count), (other, fewer) = last, before
        own = _saliency(results, one, s, count)
        near |= _near(own, _saliency(results, other, s, fewer), s)
    numbers = by_sparsity(results.sparsities, gains)
    return _some(near), f"from {before[1]} to {last[1]} rounds, {numbers}"


@claim(
    "In many rounds both schedules gain the same",
    "B.1, figure 5",
    at=-1,
    test=_near,
)
@claim(
    "An exponential schedule gains more than a linear one in few rounds",
    "B.1, figure 5",
    at=0,
    test=lambda own, linear, name: {name: own - linear},
)
def schedules(results, ours, at, test):
    rounds = results.batches(ours)[at]
    high = _high(results)
    linear = (f"{ours}_linear", rounds)
    ratios = [results.gain((ours, rounds), linear, s) for s in high]
    gains = {}
    for s in high:
        own = _saliency(results, ours, s, rounds)
        gains |= test(own, _saliency(results, linear[0], s, rounds), s)
    return _some(gains), f"{rounds} rounds, {by_sparsity(high, ratios)}"


@claim("SNIP and GraSP keep much of the saliency, too", "B.2, figure 6a")
def one_shot_keeps(results, ours):
    del ours
    low = results.sparsities[0]
    names = ("snip", "grasp", "random")
    of = {name: _saliency(results, name, low) for name in names}
    gains = {name: of[name] - of["random"] for name in names[:-1]}
    means = {name: results.over_dense("saliency", name, low) for name in names}
    told = [f"{label(name)} {number(mean)}" for name, mean in means.items()]
    return gains, f"at {percent(low)} {', '.join(told)}"


@claim("The saliency falls with sparsity, by every method", "B.2, figure 6a")
def falling(results, ours):
    numbers, gains, shares = [], {}, results.sparsities
    for method in trio(ours):
        over = [results.over_dense("saliency", method, s) for s in shares]
        for pair in itertools.pairwise(shares):
            before, after = (_saliency(results, method, s) for s in pair)
            if before.any() or after.any():
                gains[method, pair] = before - after
        ends = f"{number(over[0])} to {number(over[-1])}"
        numbers.append(f"{label(method)} {ends}")
    return _some(gains), ", ".join(numbers)


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
    numbers, gains = [], {}
    for sparsity in _high(results):
        snip, grasp, own = (
            results.over_dense(key, method, sparsity) for method in trio(ours)
        )
        of = [results.relative(key, m, sparsity) for m in trio(ours)]
        gains["snip", sparsity] = of[2] - of[0]
        gains["grasp", sparsity] = of[2] - of[1]
        numbers.append(
            f"{percent(sparsity)}: {number(own)} against {number(grasp)} of "
            f"GraSP, {number(snip)} of SNIP"
        )
    return gains, "; ".join(numbers)


@claim("SNIP on one batch is broken at 99 %", "5.1, by accuracy")
def snip_broken(results, ours):
    del ours
    empty = results.empty("snip", _HIGH).mean()
    norm, dense = (
        np.array(results.value("gradient_norm", *cell))
        for cell in (("snip", _HIGH), ("dense", 0.0))
    )
    share = number((norm / dense).mean())
    told = f"{number(empty)} empty, gradient norm x {share}"
    return {"norm": _BROKEN * dense - norm}, told


@claim("Many batches leave SNIP more saliency at 99 %", "5.1, by accuracy")
def batches_mend(results, ours):
    del ours
    gain = results.over_snip("snip_mb", _HIGH)
    one, many = (results.empty(m, _HIGH).mean() for m in ("snip", "snip_mb"))
    own, single = (_saliency(results, m, _HIGH) for m in ("snip_mb", "snip"))
    return {"saliency": own - single}, (
        f"saliency x {number(gain)}, {number(many)} empty against {number(one)}"
    )
