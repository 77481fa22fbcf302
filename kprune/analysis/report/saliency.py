"""Measures how sensitive the loss is to the kept weights.

De Jorge et al. (2021), Progressive Skeletonization, equation 6 and appendix B:
https://arxiv.org/abs/2006.09081
"""

import dataclasses

import numpy as np

from kprune.masking import masks
from kprune.runtime.progress import Progress
from kprune.scoring.config import ScoringConfig
from kprune.scoring.objective import Objective


def with_saliency(report, model, kept, data, loss=None, batches=None):
    """Returns the report with saliency and gradient norm added.

        saliency      = sum |w dL/dw|
        gradient norm = sqrt(sum (dL/dw)^2)

    over the kept entries w of the weights that count, with dL/dw taken in the
    pruned network. `kept` is a dict of boolean arrays for all rows.
    """
    objective = Objective(model, data, loss, ScoringConfig(batches=batches))
    sparse = masks.apply(
        {name: kept[name] for name in objective.weights}, objective.weights
    )
    gradient = objective.watched(Progress()).gradient(sparse)
    # A weight that was frozen after pruning counts, but has no gradient.
    counted = [r.name for r in report.rows if r.counts and r.name in gradient]
    products, squares = {}, {}
    for name in counted:
        g = np.where(kept[name], np.asarray(gradient[name], np.float64), 0)
        products[name] = float(np.abs(g * np.asarray(sparse[name])).sum())
        squares[name] = float(np.square(g).sum())
    total = sum(products.values())
    shares = {n: p / total if total else 0.0 for n, p in products.items()}
    return dataclasses.replace(
        report,
        rows=tuple(
            dataclasses.replace(row, saliency=shares.get(row.name))
            for row in report.rows
        ),
        saliency=total,
        gradient_norm=float(np.sqrt(sum(squares.values()))),
    )
