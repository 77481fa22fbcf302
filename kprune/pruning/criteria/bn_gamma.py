"""Scale factors of batch normalization: network slimming, Liu et al., 2017."""

import numpy as np

from kprune.graph import channels
from kprune.masking import weights as names
from kprune.runtime import types
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective


def bn_gamma(
    objective: Objective, weights: types.Tensors, masks: types.Masks
) -> types.Scores:
    """Scores a channel by the gamma of its batch normalization.

        score = |gamma|, for all weights that produce the channel

    A channel with several normalizations, such as a residual sum, gets their
    mean. The score is meaningful for a trained network, best with an L1
    penalty on gamma; at initialization every gamma is 1. Channels without
    normalization get no score and stay. For `kprune.Channel`. No data is read.

    Args:
        objective, weights, masks: As for all criteria. The model must be a
            graph of layers (Sequential or Functional).

    Raises:
        ValueError: If the model is not a graph of layers.
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
