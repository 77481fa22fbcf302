"""Optimal brain surgeon: its scores with its update of kept weights.

Hassibi and Stork, 1993.
"""

from kprune.pruning.kept_weights.surgery import surgeon
from kprune.pruning.pruner import Pruner
from kprune.runtime.methods import Method


def optimal_brain_surgeon() -> Pruner:
    """Returns optimal brain surgeon with its update of the kept weights.

    Hassibi and Stork, 1993. Prunes the weights of the lowest cost if the others
    make up for them (`obs`), then updates the others to do so
    (`kprune.kept_weights.surgeon`). For trained networks of up to 8,192
    weights.
    """
    return Pruner("obs", after_pruning=surgeon)


METHOD = Method(
    "optimal_brain_surgeon",
    title="OBS, with its change of the weights",
    call='kprune.prune(model, "optimal_brain_surgeon", 0.5, data=data)',
    paper="Hassibi and Stork, 1993",
    link="https://proceedings.neurips.cc/paper/1992/hash/"
    "303ed4c69846ab36c2904d3ba8573050-Abstract.html",
    test="tests/pruning/test_surgeon.py::"
    "test_obs_with_its_change_raises_a_quadratic_least",
    deviation="all goes at once, in as many rounds as `rounds` says; the "
    "paper takes the Hessian anew after each weight",
    build=optimal_brain_surgeon,
)
