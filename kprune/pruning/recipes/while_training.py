"""Methods that prune during training, for `GradualPruning`."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from kprune.pruning import schedules
from kprune.pruning.pruner import Pruner
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@dataclasses.dataclass(frozen=True)
class EpochSchedule:
    """A method that defines the sparsity after each epoch.

    Args:
        pruner: The `Pruner`; each update is one of its rounds.
        sparsity: Function of (epoch, epochs) to the sparsity after an epoch,
            counted from 1.
        last_epoch: Function of the number of epochs to the last epoch after
            which to prune.
    """

    pruner: Pruner
    sparsity: Callable[..., float]
    last_epoch: Callable[[int], int]

    def with_axes(self, **axes: Any) -> "EpochSchedule":
        """Returns a copy of this method with axes of its pruner replaced."""
        pruner = self.pruner.with_axes(**axes)
        return dataclasses.replace(self, pruner=pruner)


@checked(power=checks.within("(0, inf)"))
def gmp(power: float = 3, recover: bool | str = False) -> Pruner:
    """Returns gradual magnitude pruning, Zhu & Gupta, 2017: cubic, per layer.

    For `kprune.callbacks.GradualPruning`.

    Args:
        power: Number > 0, the exponent of the schedule. Defaults to 3.
        recover: Whether a weight may return once others are smaller than it
            was when it was removed; as for `kprune.Pruner`.
    """
    return Pruner(
        "magnitude",
        allocation="uniform",
        schedule=schedules.get("cubic", power=power),
        recover=recover,
    )


@checked(
    alpha=checks.within("(0, 100]", ", in percent"),
    beta=checks.within("[0, 1]"),
    gamma=checks.within("(0, inf)", ", in epochs"),
    last_prune_epoch=checks.optional(
        checks.at_least(1, ", the first epoch being 1")
    ),
)
def asni(
    alpha: float = 98.0,
    beta: float = 0.5,
    gamma: float = 5.0,
    last_prune_epoch: int | None = None,
) -> EpochSchedule:
    """Returns ASNI, Damadi et al., 2022: global magnitude along a sigmoid.

    For `kprune.callbacks.GradualPruning`, which prunes after each epoch e = 1
    .. E to alpha sigma((e - beta E) / gamma) percent.

    Args:
        alpha: Number in (0, 100], the sparsity that the curve rises to, in
            percent.
        beta: Number in [0, 1], the share of the epochs after which the curve
            is steepest.
        gamma: Number > 0, epochs: the larger, the slower the curve rises.
        last_prune_epoch: Integer >= 1, the last epoch after which to prune.
            Defaults to E - 2: the paper's algorithm says E, but the numbers
            of weights that it prints for its seven small networks are those
            of E - 2. The numbers of its VGGs and ResNets match no epoch.
    """
    return EpochSchedule(
        Pruner("magnitude"),
        functools.partial(schedules.asni, alpha=alpha, beta=beta, gamma=gamma),
        lambda epochs: last_prune_epoch or max(1, epochs - 2),
    )


METHODS = (
    Method(
        "gmp",
        title="GMP",
        call='kprune.callbacks.GradualPruning("gmp", sparsity=0.9)',
        paper="Zhu and Gupta, 2017",
        link="https://arxiv.org/abs/1710.01878",
        test="tests/callbacks/test_gradual.py::"
        "test_gmp_keeps_what_the_cubic_says_at_each_update",
        deviation="what is removed stays removed, unless `recover=True`",
        build=gmp,
    ),
    Method(
        "asni",
        title="ASNI",
        call='kprune.callbacks.GradualPruning("asni", alpha=98, beta=0.5, '
        "gamma=5)",
        paper="Damadi et al., 2022",
        link="https://arxiv.org/abs/2202.09284",
        test="tests/callbacks/test_gradual.py::"
        "test_asni_leaves_the_nonzeros_that_the_paper_prints",
        deviation="the last epoch to prune after is E - 2, not E: it gives the "
        "numbers printed for the seven small networks",
        build=asni,
    ),
)
