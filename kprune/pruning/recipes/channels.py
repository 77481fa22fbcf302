"""3SP: channels by the sensitivity of a gate."""

from kprune.pruning import kept_weights
from kprune.pruning.granularity import Channel
from kprune.pruning.pruner import Pruner
from kprune.runtime import checks
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@checked(reinit=checks.boolean, rescale=checks.boolean)
def three_sp(reinit=False, rescale=False):
    """3SP, van Amersfoort et al., 2020: channels by sensitivity per FLOP.

    The absolute gradient of the loss by a gate on each channel, over the
    multiply-adds that go with it, in one round; channels that are added go
    together. Where it may part from the paper is in its entry.

    Args:
        reinit: Whether to draw the kept weights anew, for the fewer inputs.
        rescale: Whether to scale them by the root of how many inputs there
            were per one that is left, which keeps the variance.
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
