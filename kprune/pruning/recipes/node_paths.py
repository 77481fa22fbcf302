"""Node-path balance, Pham et al., 2023.

Towards Data-Agnostic Pruning At Initialization: What Makes a Good Sparse Mask?
https://openreview.net/forum?id=xdOoCWCYaY.
"""

from kprune.pruning.node_paths.pruner import NodePathBalance
from kprune.pruning.pruner import Pruner
from kprune.runtime.methods import Method


def node_path_balance(alpha: float = 0.01, beta: float = 1.0) -> Pruner:
    """Returns node-path balance (NPB), Pham et al., 2023.

    Layer by layer from the input, chooses the mask with the highest

        alpha f_n + (1 - alpha) f_p + beta R

    - f_n, the share of the layer's input and output channels on a kept weight
      that paths from the network's input reach;
    - f_p, the number of paths through the layer, over the most possible;
    - R, minus the number of kernels, k x k entries from one channel to
      another, that keep none, over the number of weights kept.

    It reads neither data nor the values of weights. Each layer's program is
    solved exactly, by sorting. Where several masks are best, outputs keep
    numbers as even as possible, and the rest is drawn. Layers keep shares by
    ERK. For Sequential and Functional models of dense layers and convolutions
    without groups.

    Args:
        alpha: Number in [0, 1], the factor of nodes. Defaults to 0.01.
        beta: Number >= 0, the factor of kernels. It has no effect on dense
            layers. Defaults to 1.

    Raises:
        ValueError: If an option is invalid; when it prunes, if the model has
            other weights that are not left out with `exclude`.
    """
    return NodePathBalance(
        "random", allocation="erk", recover=True, alpha=alpha, beta=beta
    )


METHOD = Method(
    "node_path_balance",
    title="NPB, node-path balance",
    call='kprune.prune(model, "node_path_balance", 0.9)',
    paper="Pham et al., 2023",
    link="https://openreview.net/forum?id=xdOoCWCYaY",
    test="tests/pruning/test_node_paths.py::test_masks_are_the_best_of_all",
    deviation="solved exactly and whole, where the released code calls a "
    "solver, for large layers in parts; that code also caps the entries of a "
    "kernel, and moves weights that are on no path afterwards",
    build=node_path_balance,
)
