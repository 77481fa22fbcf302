"""Methods that remove channels."""

from kprune.pruning import kept_weights
from kprune.pruning.granularity import Channel
from kprune.pruning.pruner import Pruner


def three_sp(reinit=False, rescale=False):
    """3SP, van Amersfoort et al., 2020: channels by sensitivity per FLOP.

    The absolute gradient of the loss by a gate on each channel, behind batch
    normalization and activation, over the multiply-adds that go with it, in
    one round; channels that are added go together. The paper was not at hand:
    this follows what others write of it.

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
        after_pruning=kept_weights.rescale_variance if rescale else after,
    )


def bn_gamma():
    """Network slimming, Liu et al., 2017: smallest |gamma| first.

    For a trained network. https://arxiv.org/abs/1708.06519
    """
    return Pruner("bn_gamma", granularity="channel")


METHODS = {"3sp": three_sp, "bn_gamma": bn_gamma}
