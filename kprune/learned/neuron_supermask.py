"""Supermasks on neurons, trained by gradient descent.

Algorithm 3 of "OSSuM: A gradient-free approach for pruning neural networks at
initialization", anonymous authors, submitted to ICLR 2022, after the
supermasks of Zhou et al. (2019), https://arxiv.org/abs/1905.01067.
"""

import itertools
from typing import Any

import numpy as np

from kprune.learned.gates import learned_gates
from kprune.masking import masks, wrapping
from kprune.runtime import checks, fit_arguments, seeds, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.scoring import neurons


@checked(data=fit_arguments.finite_data, sparsity=checks.sparsity)
def neuron_supermask(
    model: types.Model,
    data: types.Data,
    loss: types.Loss | None = None,
    *,
    sparsity: float,
    seed: int = 0,
    **training: Any,
) -> types.Model:
    """Prunes the hidden neurons with the smallest trained gates.

    Trains a gate on each hidden neuron by gradient descent, with frozen
    weights. In each layer the neurons of the smallest gates (signed, not in
    magnitude) are removed; the result has no gates.

    Args:
        model: A built graph of dense layers, wrapped or not. It is not
            modified.
        data, loss: As for `kprune.learned.learned_gates`.
        sparsity: Share of the neurons of each hidden layer to remove, in
            [0, 1).
        seed: Integer >= 0. Defaults to 0.
        **training: `epochs`, `learning_rate`, `momentum`, `batch_size` and
            `verbose` of `learned_gates`.

    Returns:
        A model with the weights of `model` and masks that remove neurons with
        all their incoming and outgoing weights.

    Raises:
        ValueError: If an argument is invalid, or there is no hidden layer.

    Example:

    >>> net = kprune.models.fc((50,), input_shape=(8, 8, 1), seed=0)
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> pruned = kprune.learned.neuron_supermask(
    ...     net, train, loss, sparsity=0.5, epochs=3
    ... )
    >>> kprune.get_masks(pruned)["fc1/kernel"].any(axis=0).sum()
    np.int64(25)
    """
    pruned = wrapping.wrap(model)
    reads = neurons.hidden_layers(pruned)
    current = neurons.masks_of(pruned, reads)
    gates = learned_gates(model, data, loss, seed=seed, **training)
    for made, read in itertools.pairwise(read.name for read in reads):
        count = masks.count_kept(len(gates[made]), sparsity)
        rng = seeds.stream(seed, "neuron_supermask", made)
        alive = current[made].any(axis=0) & current[read].any(axis=1)
        ranked = np.where(alive, gates[made], -np.inf)
        gone = np.flatnonzero(~masks.top_k(ranked, count, rng))
        current[made][:, gone] = False
        current[read][gone] = False
    neurons.set_masks(pruned, current, sparsity)
    return pruned


METHOD = Method(
    "neuron_supermask",
    title="gradient supermask on neurons",
    call="kprune.learned.neuron_supermask(model, data, loss, sparsity=0.9)",
    paper="OSSuM, submitted to ICLR 2022",
    test="tests/learned/test_learned_gates.py::test_one_step_by_hand",
    deviation="first gates are U(0, 1), momentum 0.9 and batches of 128, which "
    "the paper leaves open",
)
