"""Coresets of neurons: sampled by importance and reweighted.

Mussay et al., 2020, "Data-independent neural pruning via coresets",
https://arxiv.org/abs/1907.04018.
"""

import dataclasses
import itertools

import keras
import numpy as np

from kprune.masking import masks, weights, wrapping
from kprune.runtime import checks, seeds, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.scoring import neurons
from kprune.scoring.batches import Batches

_MOST = 10_000_000  # Draws for one layer.


@checked(sparsity=checks.sparsity)
def coreset(
    model: types.Model,
    sparsity: float,
    data: types.Data | None = None,
    *,
    beta: float | None = None,
    seed: int = 0,
) -> types.Model:
    """Samples the hidden neurons to keep and reweights their outputs.

        q_j = max_k |w_jk| |phi(beta |p_j|)| / (the sum of the same over j)

    with p_j the incoming weights of neuron j, its bias included, w_jk the
    outgoing ones and phi the function between them. Neurons are drawn from q
    with replacement until the number to keep have been drawn. A neuron drawn n
    times in c draws gets the outgoing weights w_jk n / (q_j c), so that the
    expected input of the next layer is unchanged. Layers are pruned from the
    first on.

    Args:
        model: A built graph of dense layers, wrapped or not. It is not
            modified.
        sparsity: Share of the neurons to remove in each hidden layer, in
            [0, 1).
        data: Data to measure `beta` on, as `kprune.prune` takes it: the
            largest norm of a layer's inputs, with a 1 for the bias.
        beta: Number > 0, an upper bound on that norm. Defaults to 1. Must be
            `None` if there is `data`.
        seed: Integer >= 0, for the draws.

    Returns:
        A model with masks, in which pruned neurons lose all incoming and
        outgoing weights.

    Raises:
        ValueError: If an argument is invalid, or there is no hidden layer.

    Example:

    >>> net = kprune.models.fc((100,), input_shape=(8, 8, 1), seed=0)
    >>> pruned = kprune.kept_weights.coreset(net, 0.9, data=train)
    >>> kprune.get_masks(pruned)["fc1/kernel"].any(axis=0).sum()
    np.int64(10)
    """
    if beta is not None:
        checks.number("beta", beta, "(0, inf)")
        checks.require(data is None, "beta", beta, "None if there is `data`")
    plain = wrapping.strip(model)  # Reweighted layer by layer.
    reads = neurons.hidden_layers(plain)
    if len(reads) < 2:
        raise ValueError(
            f"Model {model.name!r} has no hidden dense layer to choose neurons "
            "of. Expected dense layers that read one another."
        )
    pruned = wrapping.wrap(model)
    found = neurons.masks_of(pruned, reads)
    bounds = _bounds(reads[:-1], data, beta)
    for (made, read), bound in zip(
        itertools.pairwise(reads), bounds, strict=True
    ):
        size = masks.count_kept(made.layer.units, sparsity)
        if size == made.layer.units:
            continue
        chances = sensitivities(made, read, bound)
        drawn = draw(chances, size, seeds.stream(seed, "coreset", made.name))
        kernel = np.asarray(read.layer.kernel.value)
        read.layer.kernel.assign(kernel * drawn.weights(chances)[:, None])
        found[made.name][:, drawn.counts == 0] = False
        found[read.name][drawn.counts == 0] = False
    weighed = {read.name: read.layer.kernel for read in reads}
    for weight in weights.find(pruned):
        if weight.name in weighed:
            weight.variable.assign(weighed[weight.name].value)
    neurons.set_masks(pruned, found, sparsity)
    return pruned


@dataclasses.dataclass(frozen=True, eq=False)
class Draws:
    """How often each of d neurons was drawn.

    Args:
        counts: Integer array (d,).
    """

    counts: np.ndarray

    def weights(self, chances: np.ndarray) -> np.ndarray:
        """Returns n_j / (q_j c), the factor of a neuron, 0 if it is pruned."""
        expected = chances * self.counts.sum()
        return np.divide(
            self.counts,
            expected,
            out=np.zeros(len(chances)),
            where=self.counts > 0,
        )


def sensitivities(made, read, beta):
    """Returns the probabilities q of drawing the neurons of a layer.

    Adds nodes to the graph of the layers.

    Args:
        made, read: `kprune.scoring.neurons.Read`: the layer of the neurons,
            and the one that reads them.
        beta: Number > 0, a bound on the norm of the layer's inputs.
    """
    kernel = np.asarray(made.layer.kernel.value)  # No copy: it may be large.
    squares = np.einsum("ij,ij->j", kernel, kernel, dtype=np.float64)
    if made.layer.use_bias:
        squares += np.square(np.array(made.layer.bias.value, np.float64))
    value = made.layer.activation(
        keras.ops.convert_to_tensor(
            beta * np.sqrt(squares)[None], made.layer.dtype
        )
    )
    put_out, given = made.operation.output, read.operation.input
    if put_out is not given:  # Such as by a separate activation layer.
        value = keras.Model(put_out, given, name="between")(value)
    value = np.ravel(np.asarray(value, np.float64))
    outgoing = np.abs(np.asarray(read.layer.kernel.value)).max(axis=1)
    chances = outgoing * np.abs(value)
    if not chances.any():
        raise ValueError(
            f"No neuron of {made.name!r} has any effect on {read.name!r}."
        )
    return chances / chances.sum()


def draw(chances, size, rng):
    """Draws neurons with replacement until `size` different ones have come.

    Args:
        chances: Float array (d,), of sum 1.
        size: Integer, how many different neurons to draw, capped at those of
            positive probability.
        rng: A `numpy.random.Generator`.

    Returns:
        The `Draws`.

    Raises:
        ValueError: If it takes more than ten million draws.
    """
    size = min(size, int(np.count_nonzero(chances)))
    counts = np.zeros(len(chances), np.int64)
    drawn = 0
    while np.count_nonzero(counts) < size:
        block = rng.choice(len(chances), max(size, 1000), p=chances)
        new = np.zeros(len(block), bool)
        firsts = np.unique(block, return_index=True)[1]
        new[firsts] = counts[block[firsts]] == 0
        seen = np.count_nonzero(counts) + np.cumsum(new)
        enough = np.flatnonzero(seen == size)
        if enough.size:
            block = block[: enough[0] + 1]
        np.add.at(counts, block, 1)
        drawn += len(block)
        if drawn > _MOST:
            raise ValueError(
                f"To draw {size} of {len(chances)} neurons takes more than "
                f"{_MOST:,} draws, as some are hardly ever drawn. Raise "
                "`sparsity`."
            )
    return Draws(counts)


def _bounds(reads, data, beta):
    """Returns the bound on the norm of each layer's inputs."""
    if data is None:
        return [1.0 if beta is None else beta] * len(reads)
    batches = Batches(data)
    largest = np.zeros(len(reads))
    for place in range(batches.count()):
        x = batches.at(place)[0]
        for number, read in enumerate(reads):
            given = np.asarray(read.features(x, training=False), np.float64)
            square = np.square(given).sum(axis=-1).max() + read.layer.use_bias
            largest[number] = max(largest[number], square)
    return np.sqrt(largest)


METHOD = Method(
    "coreset",
    call="kprune.kept_weights.coreset(model, 0.5, data=data)",
    paper="Mussay et al., 2019",
    link="https://arxiv.org/abs/1907.04018",
    test="tests/pruning/test_coreset.py::"
    "test_weights_by_hand_and_on_the_average",
    deviation="biases stay with their neurons; the released code takes a "
    "column of weights for them",
)
