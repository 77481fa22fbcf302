"""Methods that prune during training, for `GradualPruning`."""

import dataclasses
import functools
from collections.abc import Callable

from kprune.pruning import schedules
from kprune.pruning.pruner import Pruner
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@dataclasses.dataclass(frozen=True)
class EpochSchedule:
    """A method that says itself how sparse a model is after each epoch.

    Args:
        pruner: The `Pruner` of which each update is a round.
        sparsity: Function of (epoch, epochs) to the sparsity after an epoch,
            the first one being 1.
        last_epoch: Function of the number of epochs to the last one that is
            pruned after.
    """

    pruner: Pruner
    sparsity: Callable
    last_epoch: Callable

    def with_axes(self, **axes):
        """Returns this method with axes of its pruner replaced."""
        pruner = self.pruner.with_axes(**axes)
        return dataclasses.replace(self, pruner=pruner)


@checked(power=checks.within("(0, inf)"))
def gmp(power=3, recover=False):
    """Gradual magnitude pruning, Zhu & Gupta, 2017: cubic, per layer.

    For `kprune.callbacks.GradualPruning`.

    Args:
        power: Number > 0, the exponent of the schedule.
        recover: Whether a weight may return once others are smaller than it
            was when it was removed.
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
def asni(alpha=98.0, beta=0.5, gamma=5.0, last_prune_epoch=None):
    """ASNI, Damadi et al., 2022: a sigmoid over the epochs, whole model.

    For `kprune.callbacks.GradualPruning`, which prunes after each epoch e = 1
    .. E to alpha sigma((e - beta E) / gamma) percent.

    Args:
        alpha: Number in (0, 100], what the sparsity rises to, in percent.
        beta: Number, the share of the epochs after which it rises most.
        gamma: Number > 0, epochs: the larger, the slower it rises.
        last_prune_epoch: Integer >= 1, the last epoch to prune after.
            Defaults to E - 2: the paper's algorithm says E, and the numbers
            of weights that it prints for its seven small networks are those
            of E - 2. Its VGGs and ResNets fit no epoch.
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
