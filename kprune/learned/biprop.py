"""biprop: multi-prize tickets (Diffenderfer and Kailkhura, 2021).

https://arxiv.org/abs/2103.09377
"""

from collections.abc import Collection
from typing import Any

import keras

from kprune.learned.edge_popup import frozen_top_k
from kprune.learned.learned_mask import TopK
from kprune.runtime import checks, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@checked(sparsity=checks.sparsity)
def biprop(
    model: types.Model,
    sparsity: float,
    *,
    weights: str = "keep",
    biases: str = "keep",
    exclude: str | Collection[str] = (),
    seed: int = 0,
) -> types.Model:
    """Returns a model that learns a selection of binary weights (biprop).

        w_eff = a sign(w) * top_k(|s|),  a = mean of |w| over kept entries
        dL/ds = dL/dw_eff * w * sign(s)

    This is the paper's ticket of binary weights and real activations
    (MPT-1/32); with `kprune.learned.binary_sign` as the activation, both are
    binary (MPT-1/1). The paper ranks scores within each weight tensor, or over
    all weights as with `kprune.learned.GlobalSelection`. For Conv-4 on
    CIFAR-10 its code trains the scores as edge-popup's code does.

    Args:
        model, sparsity, weights, biases, exclude, seed: As for
            `kprune.learned.edge_popup`.

    Returns:
        A Keras model to fit, compiled like `model` with a fresh optimizer if
        `model` is compiled.

    Raises:
        ValueError: As `kprune.learned.edge_popup`.

    Example:

    >>> net = kprune.learned.biprop(model, 0.75)
    >>> len(set(kprune.strip(net).get_layer("fc3").kernel.numpy().ravel()))
    3
    """
    given = {"seed": seed, "biases": biases, "exclude": exclude}
    return frozen_top_k(Biprop, model, sparsity, weights, False, **given)


@keras.saving.register_keras_serializable("kprune")
class Biprop(TopK):
    """Keeps entries as `EdgePopup` does, all with the same magnitude.

        a sign(w) * mask,  a = mean of |w| over kept entries

    Args:
        kept, fan_in, seed: As for `TopK`.

    Example:

    >>> part = kprune.learned.Biprop(kept=2, fan_in=1)
    >>> w = keras.ops.array([-2.0, 3.0, 4.0])
    >>> part.build((3,))
    >>> _ = part.scores.assign([-0.5, 0.1, 0.2])
    >>> part(w).numpy().tolist()  # (2 + 4) / 2
    [-3.0, 0.0, 3.0]
    """

    def values(self, w: Any, mask: Any) -> Any:
        kept = keras.ops.maximum(keras.ops.sum(mask), 1)
        scale = keras.ops.sum(keras.ops.abs(w) * mask) / kept
        return scale * keras.ops.sign(w) * mask


METHOD = Method(
    "biprop",
    title="multi-prize tickets (biprop)",
    formula=r"\tilde{w} = \alpha \operatorname{sign}(w) \odot "
    r"\operatorname{top}_k(\lvert s \rvert), \quad \frac{\partial "
    r"L}{\partial s} = \frac{\partial L}{\partial \tilde{w}} \odot w "
    r"\odot \operatorname{sign}(s)",
    call='kprune.select(model, "biprop", sparsity=0.5)',
    paper="Diffenderfer and Kailkhura, 2021",
    link="https://arxiv.org/abs/2103.09377",
    test="tests/learned/test_select.py::test_edge_popup_and_biprop_by_hand",
    deviation="of one ranking over all weights, counts are taken once an epoch",
    build=biprop,
)
