"""SynFlow: synaptic flow without data (Tanaka et al., 2020)."""

from kprune.runtime import types
from kprune.runtime.methods import Method
from kprune.scoring.objective import Objective


def synflow(
    objective: Objective, weights: types.Tensors, masks: types.Masks
) -> types.Scores:
    """Scores a weight by the flow through it in the network of |w|.

        score = |w| * dR/d|w|,  R = 1' f(|w|; 1)

    R is the sum of outputs on an input of ones, with every parameter and
    moving statistic replaced by its absolute value. Without biases the scores
    of each layer, in float64, sum to R. No data is read. Meant to be iterated,
    a hundred rounds: a single round empties whole layers.

    Args:
        objective, weights, masks: As for all criteria (`kprune.criteria`).
    """
    return objective.flow_scores(weights, masks)


METHOD = Method(
    "synflow",
    title="SynFlow",
    formula=r"\lvert w \rvert \odot \frac{\partial R}{\partial \lvert w "
    r"\rvert}, \quad R = \mathbf{1}^\top f(\lvert w \rvert; \mathbf{1})",
    call='kprune.prune(model, "synflow", 0.9)',
    paper="Tanaka et al., 2020",
    link="https://arxiv.org/abs/2006.05467",
    test="tests/pruning/test_criteria.py::"
    "test_synflow_by_hand_and_its_conservation",
    build={"schedule": "exponential", "rounds": 100},
    channel={"reduce": "sum"},
)
