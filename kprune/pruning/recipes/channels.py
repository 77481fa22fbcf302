"""3SP: channels by the sensitivity of a gate."""

from kprune.pruning import kept_weights
from kprune.pruning.granularity import Channel
from kprune.pruning.pruner import Pruner
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@checked(reinit=checks.boolean, rescale=checks.boolean)
def three_sp(reinit: bool = False, rescale: bool = False) -> Pruner:
    """Returns 3SP, which prunes channels by sensitivity per FLOP.

    Van Amersfoort et al., 2020: a channel's score is the absolute gradient of
    the loss by a gate on it, divided by its multiply-adds, in one round;
    channels that are added are pruned together. The method's entry lists
    possible deviations from the paper.

    Args:
        reinit: Whether to redraw the kept weights for their smaller fan-in.
        rescale: Whether to scale them by sqrt(inputs before / inputs left),
            which preserves the variance.

    Raises:
        ValueError: If both are `True`.
    """
    if reinit and rescale:
        raise ValueError("Expected `reinit` or `rescale`. Received: both.")
    after = kept_weights.reinitialize if reinit else None
    return Pruner(
        "skeletonization",
        granularity=Channel("abs_sum", side="outgoing", per="flops"),
        allocation="global",
        after_pruning=kept_weights.rescale_variance if rescale else after,
    )


METHOD = Method(
    "3sp",
    title="3SP",
    call='kprune.prune(model, "3sp", target={"flops": 0.5}, data=data)',
    paper="van Amersfoort et al., 2020",
    link="https://arxiv.org/abs/2007.00389",
    test="tests/pruning/test_structured_methods.py::"
    "test_3sp_divides_a_gates_gradient_by_the_flops_that_go",
    deviation="after what others write of it; the gate is behind batch "
    "normalization and activation, where its gradient is not zero",
    build=three_sp,
)
