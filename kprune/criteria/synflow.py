"""SynFlow: synaptic flow without data (Tanaka et al., 2020).

https://arxiv.org/abs/2006.05467
"""

import tensorflow as tf

from kprune.masks import apply


def synflow(objective, weights, masks):
    """Scores a weight by the flow through it in the network of |w|.

        score = |w| * dR/d|w|,  R = 1' f(|w|; 1)

    R is the sum of outputs on an input of ones, with every parameter and
    moving statistic replaced by its absolute value. Without biases the scores
    of each layer sum to R. Meant to be iterated, a hundred rounds: one round
    prunes away whole layers.

    Args:
        objective: Gives `flow_gradient`; no data is read.
        weights: Dict of dense weights by name.
        masks: Dict of the current masks, one of the weight's shape each.

    Returns:
        Dict of float64 scores by name, each of its weight's shape. Higher is
        kept.
    """
    gradient = objective.flow_gradient(apply(masks, weights))
    return {
        name: tf.abs(tf.cast(w, tf.float64)) * gradient[name]
        for name, w in weights.items()
    }
