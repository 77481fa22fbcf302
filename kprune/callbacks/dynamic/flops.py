"""Counts the cost of training as RigL's paper does (appendix H).

https://arxiv.org/abs/1911.11134
"""

import dataclasses

from kprune.callbacks.dynamic.updater import get
from kprune.runtime import checks
from kprune.runtime.doors import checked


@dataclasses.dataclass(frozen=True)
class TrainingFlops:
    """Floating-point operations of a training step on one example.

    Attributes:
        dense: Of the dense network.
        sparse: Of the sparse one, on the average over steps.
    """

    dense: float
    sparse: float

    @property
    def ratio(self):
        """Sparse of dense."""
        return self.sparse / self.dense


@checked(
    report=checks.with_attributes(
        "a report, as kprune.report gives",
        "multiply_adds",
        "sparse_multiply_adds",
    ),
    every=checks.at_least(1, ", in steps"),
)
def training_flops(report, method="static", every=100):
    """Returns what a training step costs, dense and sparse, on one example.

    f_D and f_S are the operations of a forward pass, dense and sparse, twice
    its multiply-adds. A backward pass, the gradients of the activations and of
    the weights, costs 2 f. Updates of masks and weights are left out.

    | method | a step |
    |---|---|
    | dense | 3 f_D |
    | methods that look at no gradients of pruned weights | 3 f_S |
    | `snfs`, `dns`, `dpf`: dense gradients in each step | 2 f_S + f_D |
    | `rigl` | (3 f_S every + 2 f_S + f_D) / (every + 1) |
    | `srigl`, `granet`, `mest` | (3 f_S every + 2 f_S + f_D) / every |

    RigL without `skip_step` costs what SRigL does. The paper has numbers of
    the methods of its time; the others follow from its rules. f_S is that of
    the masks as they are, also where weights move between layers or their
    number changes, as by `granet`, `dpf` and `acdc`.

    Args:
        report: `kprune.report(model)` of the model as it is pruned.
        method: As for `kprune.callbacks.DynamicSparseTraining`.
        every: Integer, steps from one update to the next. Only methods that
            look at gradients in their updates need it.

    Returns:
        A `TrainingFlops`. Times the batch size and the number of steps it is
        the cost of a whole training.

    Raises:
        ValueError: If the report knows no multiply-adds.

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
    if updater.dense_gradients:
        cost = 2 * sparse + dense
    elif updater.needs == "gradients":
        total = 3 * sparse * every + 2 * sparse + dense
        cost = total / (every + updater.skip_step)
    else:
        cost = 3 * sparse
    return TrainingFlops(3.0 * dense, float(cost))
