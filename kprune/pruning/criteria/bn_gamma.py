"""Scale factors of batch normalization: network slimming, Liu et al., 2017."""

import numpy as np

from kprune.graph import channels
from kprune.masking import weights as names
from kprune.runtime.methods import Method


def bn_gamma(objective, weights, masks):
    """Scores a channel by the gamma of its batch normalization.

        score = |gamma|, of all weights that make the channel

    A channel that goes through several, such as a residual sum, has their
    mean. It tells something of a trained network, best of one that was trained
    with an L1 penalty on gamma; at initialization all are 1. Channels that go
    through none have no score, and stay: it is for `kprune.Channel`. No data
    is read.

    Args:
        objective, weights, masks: As for all criteria. The model has to
            be a graph of layers.
    """
    del masks
    model = objective.model
    if not channels.followable(model):
        raise ValueError(
            "bn_gamma needs a model that is a graph of layers (Sequential or "
            f"Functional). Received: {type(model).__name__} {model.name!r}"
        )
    found = channels.build_channel_map(model)
    sums, counts = np.zeros(found.size), np.zeros(found.size)
    for name, variable in names.named(model):
        if variable.name == "gamma":
            for axis in found.axes.get(name, ()):
                np.add.at(sums, axis.groups, np.abs(np.asarray(variable)))
                np.add.at(counts, axis.groups, 1)
    scores = {}
    for name, weight in weights.items():
        for axis in found.axes.get(name, ()):
            if not axis.reads and counts[axis.groups].all():
                along = [1] * len(weight.shape)
                along[axis.number] = -1
                values = (sums / np.maximum(counts, 1))[axis.groups]
                scores[name] = np.broadcast_to(
                    values.reshape(along), weight.shape
                )
    return scores


METHOD = Method(
    "bn_gamma",
    title="network slimming",
    formula=r"\lvert \gamma \rvert",
    call='kprune.prune(model, "bn_gamma", 0.5)',
    paper="Liu et al., 2017",
    link="https://arxiv.org/abs/1708.06519",
    test="tests/pruning/test_structured_methods.py::"
    "test_bn_gamma_keeps_the_largest_gammas",
    deviation="channels that are added have the mean of their gammas",
    build={"granularity": "channel"},
    channel={"reduce": "mean"},
    channels_only=True,
)
