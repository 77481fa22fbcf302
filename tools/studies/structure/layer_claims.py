"""What "Progressive Skeletonization" says of layers, checked.

De Jorge et al. (2021), https://arxiv.org/abs/2006.09081v1, section 5.3 and
appendix B.3, all at the highest sparsity.
"""

import functools

import numpy as np

from structure import verdicts
from structure.tables import label, number, percent
from structure.verdicts import pairs, trio

_THROUGH = 0.01  # Of the dense network's gradient.

CLAIMS = []
claim = functools.partial(verdicts.claim, CLAIMS)


@claim(
    "All methods keep much of the first and the last layer and little of the "
    "deep convolutions",
    "B.3, figure 7a, d",
)
def ends(results, ours):
    sparsity = results.sparsities[-1]
    numbers, gains = [], {}
    for method in trio(ours):
        shares = results.kept(method, sparsity) / results.sizes
        first, last = shares[:, 0], shares[:, -1]
        deep = _deep(results, method)
        gains[method, "first"] = first - (1 - sparsity)
        gains[method, "last"] = last - (1 - sparsity)
        gains[method, "deep"] = 1 - sparsity - deep
        parts = [number(100 * s.mean()) for s in (first, deep, last)]
        numbers.append(f"{label(method)} {', '.join(parts)} %")
    return gains, "; ".join(numbers)


def _deep(results, method):
    """Returns what the last convolutions keep at the highest sparsity, an
    array over the seeds."""
    chosen = np.array(results.stages) == results.stages[-2]
    kept = results.kept(method, results.sparsities[-1])[:, chosen]
    return kept.sum(1) / results.sizes[chosen].sum()


@claim(
    "It spreads what is kept over the layers more like GraSP than like SNIP",
    "B.3, figure 7b, e",
)
def like_grasp(results, ours):
    sparsity = results.sparsities[-1]
    snip, grasp, own = (results.kept(m, sparsity) for m in trio(ours))
    to_grasp, to_snip = (
        np.abs(own - other).sum(1) / 2 / own.sum(1) for other in (grasp, snip)
    )
    return {"nearer": to_snip - to_grasp}, (
        f"{number(100 * to_grasp.mean())} % of the weights lie in other layers "
        f"than GraSP's, {number(100 * to_snip.mean())} % in other than SNIP's"
    )


@claim(
    "It keeps less of the deep layers than GraSP and SNIP",
    "B.3",
    "res",
    sign=-1,
)
@claim(
    "It keeps more of the deep layers than GraSP and SNIP",
    "B.3",
    "vgg",
    sign=1,
)
def in_the_deep(results, ours, sign):
    snip, grasp, own = (_deep(results, method) for method in trio(ours))
    gains = {"snip": sign * (own - snip), "grasp": sign * (own - grasp)}
    return gains, (
        f"{number(100 * own.mean())} % of {results.stages[-2]} against "
        f"{number(100 * grasp.mean())} % by GraSP, "
        f"{number(100 * snip.mean())} % by SNIP"
    )


@claim("All methods empty some layers", "5.3, figure 7c", "res")
def all_empty(results, ours):
    counts = dict(zip(trio(ours), _empty(results, ours), strict=True))
    gains = {method: count - 0.5 for method, count in counts.items()}
    return gains, pairs((label(m), c.mean()) for m, c in counts.items())


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
        results.kept(method, sparsity)[:, chosen].max(1)
        for method in (ours, "grasp")
    ]
    gains = {"empty": own - grasp, "fullest": most[0] - most[1]}
    own, grasp, *most = (a.mean() for a in (own, grasp, *most))
    return gains, (
        f"{number(own)} empty against {number(grasp)}; the fullest of "
        f"{results.stages[-2]} keeps {most[0]:.0f} against {most[1]:.0f}"
    )


def _empty(results, ours):
    sparsity = results.sparsities[-1]
    return [results.empty(method, sparsity) for method in trio(ours)]


@claim(
    "Without skip connections no layer may be empty: none is at the highest "
    "sparsity, and the gradient gets through",
    "5.3",
    "vgg",
)
def none_empty(results, ours):
    sparsity = results.sparsities[-1]
    empty = results.empty(ours, sparsity)
    least = results.kept(ours, sparsity).min(1)
    norms = results.relative("gradient_norm", ours, sparsity)
    gains = {
        "kept": least - 0.5,
        "gradient": norms - _THROUGH,
    }
    return gains, (
        f"{number(empty.mean())} empty at {percent(sparsity)}, the barest "
        f"keeps {number(least.mean())}; gradient norm x {number(norms.mean())}"
    )
