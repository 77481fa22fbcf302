"""Counts the cost of training as RigL's paper does (appendix H).

https://arxiv.org/abs/1911.11134
"""

import dataclasses
from typing import Any

from kprune.callbacks.dynamic.top_kast import TopKAST
from kprune.callbacks.dynamic.updater import MaskUpdater, get
from kprune.runtime import checks
from kprune.runtime.doors import checked


@dataclasses.dataclass(frozen=True)
class TrainingFlops:
    """Floating-point operations of a training step on one example.

    Attributes:
        dense: Float, of the dense network.
        sparse: Float, of the sparse network, averaged over steps.
    """

    dense: float
    sparse: float

    @property
    def ratio(self) -> float:
        """`sparse / dense`."""
        return self.sparse / self.dense


@checked(
    report=checks.with_attributes(
        "a report, as kprune.report gives",
        "multiply_adds",
        "sparse_multiply_adds",
    ),
    every=checks.at_least(1, ", in steps"),
)
def training_flops(
    report: Any, method: str | MaskUpdater = "static", every: int = 100
) -> TrainingFlops:
    """Computes the cost of a training step on one example, dense and sparse.

    f_D and f_S are the operations of a forward pass, dense and sparse: twice
    its multiply-adds. A backward pass computes the gradients of activations
    and weights and costs 2 f. Updates of masks and weights are not counted.

    | method | a step |
    |---|---|
    | dense | 3 f_D |
    | methods without gradients of pruned weights | 3 f_S |
    | `snfs`, `dns`, `dpf`: dense gradients in each step | 2 f_S + f_D |
    | `top_kast`: gradients of the weights in B | 3 f_S + extra f_D |
    | `rigl` | (3 f_S every + 2 f_S + f_D) / (every + 1) |
    | `srigl`, `granet`, `mest` | (3 f_S every + 2 f_S + f_D) / every |

    RigL without `skip_step` costs as much as SRigL. The paper has numbers for
    the methods of its time; the others follow from its rules. f_S is that of
    the report's masks, also if weights move between layers or their number
    changes, as with `granet`, `dpf` and `acdc`. `top_kast` is counted as in
    its paper; kprune computes the gradients of all weights.

    Args:
        report: `kprune.report(model)` of the pruned model.
        method: As for `kprune.callbacks.DynamicSparseTraining`. Defaults to
            `"static"`.
        every: Integer >= 1, steps from one update to the next. Defaults to
            100. Only methods whose updates use gradients read it.

    Returns:
        A `TrainingFlops`. Multiplied by the batch size and the number of
        steps, it is the cost of a whole training.

    Raises:
        ValueError: If the report has no multiply-adds.

    Example:

    >>> model = kprune.prune(model, "random", 0.9, allocation="uniform")
    >>> report = kprune.report(model)
    >>> flops = kprune.callbacks.dynamic.training_flops(report, "rigl")
    >>> round(flops.ratio, 4)
    0.103
    """
    if report.multiply_adds is None:
        raise ValueError(
            "Expected a report that counts multiply-adds. Received one "
            f"without: {report.untraced}"
        )
    dense, sparse = 2 * report.multiply_adds, 2 * report.sparse_multiply_adds
    updater = get(method)
    if isinstance(updater, TopKAST):
        cost = 2 * sparse + min(sparse + updater.extra * dense, dense)
    elif updater.dense_gradients:
        cost = 2 * sparse + dense
    elif updater.needs == "gradients":
        total = 3 * sparse * every + 2 * sparse + dense
        cost = total / (every + updater.skip_step)
    else:
        cost = 3 * sparse
    return TrainingFlops(3.0 * dense, float(cost))
