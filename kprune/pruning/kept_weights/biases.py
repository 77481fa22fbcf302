"""Corrects biases so that outputs keep their means."""

import numpy as np
import tensorflow as tf

from kprune.masking import weights
from kprune.pruning import matrices
from kprune.pruning.kept_weights import measuring
from kprune.runtime import checks, identity, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method
from kprune.scoring import read_inputs
from kprune.scoring.objective import Objective


@checked(
    objective=checks.optional(
        checks.with_attributes("a kprune.Objective", "batches", "model")
    )
)
def correct_biases(
    model: types.Model, seed: int = 0, *, objective: Objective | None = None
) -> dict[str, np.ndarray]:
    """Corrects biases so that layers keep the mean outputs they had unpruned.

        b <- b + E[X] W - E[X'] W'

    where X is a layer's input and W its weight before pruning, and X' and W'
    are those of the pruned model, behind layers with corrected biases. The
    mean contribution of a removed unit or weight is so kept, as a constant. It
    takes one pass over the data for the original model, and a part of a pass
    per layer for the pruned one.

    Use it for whole channels: for single weights pruned by magnitude, it has
    been seen to lower accuracy (`docs/methods/index.md`).

    Layers without a bias stay unchanged, and so do layers whose inputs are
    unknown (see `objective.inputs`). Where batch normalization follows a
    layer, it removes means; use `recalibrate` there.

    Args:
        model: A wrapped, pruned model, changed in place.
        seed: Not used: nothing is drawn.
        objective: A `kprune.Objective` of the model before pruning, on
            calibration data; required. In `kprune.Pruner(
            after_pruning=kprune.kept_weights.correct_biases)`, it is the
            objective that pruning used.

    Returns:
        Dict from the name of a weight to the change of its layer's bias, an
        array of the bias' shape.

    Raises:
        ValueError: If there is no objective or no data, no layer to correct,
            or the layers differ. The model is then unchanged.

    Example:

    >>> objective = kprune.Objective(model, train.take(1))
    >>> pruned = kprune.prune(model, "magnitude", 0.5)
    >>> moved = kprune.kept_weights.correct_biases(pruned, objective=objective)
    """
    del seed
    batches = measuring.batches(None, objective)
    before, after = _biased(objective.model), _biased(model)  # type: ignore[union-attr]
    if not after or set(before) != set(after):
        raise ValueError(
            "Expected a model of the objective's layers, at least one of them "
            f"with a bias. Received: layers with a bias {sorted(after)}, and "
            f"before {sorted(before)}"
        )
    means = _means(objective.model, before, batches)  # type: ignore[union-attr]
    layers = {name: weight.layer for name, weight in after.items()}
    walker = measuring.Walker(model, layers.values(), batches)
    names = identity.ByIdentity((layer, n) for n, layer in layers.items())
    called = walker.order()
    walker.check_called(called)
    moved = {}
    for layer in called:
        name, total = names[layer], _Mean()
        walker.run(total.of(after[name]), only=layer)
        gap = means[name] - total.output(after[name])
        moved[name] = np.reshape(gap, layer.bias.shape)
        shift = tf.cast(moved[name], layer.bias.dtype)
        walker.shown[layer.bias] = tf.convert_to_tensor(layer.bias) + shift
    for variable, value in walker.shown.items():
        variable.assign(value)
    return moved


def _biased(model):
    """Returns weights with known inputs and a bias for each output, by name."""
    return {
        weight.name: weight
        for weight in weights.find(model)
        if read_inputs.pieces(weight.layer, weight.variable.name) is not None
        and getattr(weight.layer, "bias", None) is not None
        and np.prod(weight.layer.bias.shape) == _matrix(weight).shape[1]
    }


def _means(model, found, batches):
    """Returns the mean outputs of layers, without their biases, by name."""
    totals = identity.ByIdentity((w.layer, _Mean()) for w in found.values())
    sees = identity.ByIdentity(
        (w.layer, totals[w.layer].of(w)) for w in found.values()
    )
    walker = measuring.Walker(model, list(totals), batches)
    walker.run(lambda layer, *given: sees[layer](layer, *given))
    walker.check_called([x for x, total in totals.items() if total.count])
    return {name: totals[w.layer].output(w) for name, w in found.items()}


class _Mean:
    """The mean of the rows of X over several batches."""

    def __init__(self):
        self.count, self._sum = 0, 0.0

    def of(self, weight):
        """Returns a function that adds the inputs of a weight's layer."""
        pieces = read_inputs.pieces(weight.layer, weight.variable.name)

        def see(layer, x, valid, show):
            del layer, show
            found = pieces(x, valid)
            rows = int(tf.shape(found[0])[0])
            if valid is not None:
                rows = int(tf.math.count_nonzero(valid))
            self.count += rows
            sums = [tf.reduce_sum(piece, 0) for piece in found]
            self._sum = self._sum + np.asarray(tf.concat(sums, 0), np.float64)

        return see

    def output(self, weight):
        """Returns the mean of X W."""
        return self._sum / max(self.count, 1) @ _matrix(weight)


def _matrix(weight):
    """Returns a weight as a matrix, with pruned entries at zero."""
    value = np.asarray(weight.variable, np.float64)
    if weight.mask is not None:
        value = value * np.asarray(weight.mask)
    return matrices.of(value, weight.layout)


METHOD = Method(
    "correct_biases",
    title="bias compensation",
    formula=r"b \leftarrow b + \mathbb{E}[X] W - \mathbb{E}[X'] W'",
    call="kprune.kept_weights.correct_biases(model, objective=objective)",
    paper="An et al., 2024",
    link="https://arxiv.org/abs/2312.11983",
    test="tests/pruning/test_recalibration.py::"
    "test_layers_give_the_mean_that_they_gave_before",
    deviation="of weights of any shape, not of channels alone, and of what "
    "layers read once those before them are pruned and corrected",
)
