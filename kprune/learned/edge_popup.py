"""edge-popup: a subnetwork of random weights (Ramanujan et al., 2020).

https://arxiv.org/abs/1911.13299
"""

from collections.abc import Collection

import keras

from kprune.learned.freezing import freeze
from kprune.learned.frozen_values import fan_in
from kprune.learned.learned_mask import TopK
from kprune.masking import masks
from kprune.runtime import checks, seeds, types
from kprune.runtime.doors import checked
from kprune.runtime.methods import Method


@checked(scale_fan=checks.boolean, sparsity=checks.sparsity)
def edge_popup(
    model: types.Model,
    sparsity: float,
    *,
    weights: str = "keep",
    scale_fan: bool = False,
    biases: str = "keep",
    exclude: str | Collection[str] = (),
    seed: int = 0,
) -> types.Model:
    """Returns a model that learns a selection of its frozen weights.

        w_eff = w * top_k(|s|),  k = round((1 - sparsity) size) of each weight
        dL/ds = dL/dw_eff * w * sign(s)

    The scores s are initialized from U(-1/sqrt(fan_in), 1/sqrt(fan_in)). The
    paper uses batch normalization without scale and offset, no biases, and
    selects in all layers; it freezes weights at `"kaiming_normal"` or at
    `"signed_constant"`, and trains the scores with SGD (momentum 0.9, weight
    decay of the scores 1e-4, learning rate 0.1 on a cosine, 100 epochs in
    batches of 128).

    Args:
        model: A built Keras model without masks. It is not modified.
        sparsity: Share of each weight to leave out, in [0, 1).
        weights: The values to freeze the weights at: `"keep"` (default), the
            current ones; `"kaiming_normal"`, draws from N(0, 2 / fan_in);
            `"signed_constant"`, sign(w) sqrt(2 / fan_in); `"signed_std"`,
            sign(w) std(w).
        scale_fan: Whether `"kaiming_normal"` and `"signed_constant"` count
            kept inputs only, `fan_in (1 - sparsity)`. Defaults to `False`. The
            released code uses `fan_in sparsity` instead, which is the same
            only at a sparsity of 0.5.
        biases: `"keep"` (default) to freeze biases at their values, `"zero"`
            to freeze them at 0.
        exclude: Names of weights or layers, or regular expressions, to freeze
            dense.
        seed: Integer >= 0, for the scores and the draws. Defaults to 0.

    Returns:
        A Keras model to fit, compiled like `model` with a fresh optimizer if
        `model` is compiled.

    Raises:
        ValueError: If an argument is invalid, the model is not built, has
            masks or no prunable weight, or `exclude` matches no weight.

    Example:

    >>> net = kprune.learned.edge_popup(model, 0.5, weights="kaiming_normal")
    >>> kprune.learned.sparsity(net)
    0.5
    """
    given = {"seed": seed, "biases": biases, "exclude": exclude}
    return frozen_top_k(EdgePopup, model, sparsity, weights, scale_fan, **given)


def frozen_top_k(kind, model, sparsity, law, scale_fan, **options):
    """Returns a model with a `kind`, a subclass of `TopK`, on each weight.

    `law` is `weights`; the other arguments are those of `edge_popup`.
    """
    checks.sparsity("sparsity", sparsity)
    seeds.check(options["seed"])

    def make(in_model, weight, **made):
        seed = seeds.stream(options["seed"], "choice", in_model).integers(2**31)
        kept = masks.count_kept(weight.layout.size, sparsity)
        return kind(kept, fan_in(weight), seed=int(seed), **made)

    values = law, float(1 - sparsity) if scale_fan else 1.0
    return freeze(model, make, values, **options)


@keras.saving.register_keras_serializable("kprune")
class EdgePopup(TopK):
    """Keeps the entries of a weight with the highest |score|.

    Args:
        kept, fan_in, seed: As for `TopK`.

    Example:

    >>> part = kprune.learned.EdgePopup(kept=2, fan_in=1)
    >>> w = keras.ops.array([2.0, 3.0, 4.0])
    >>> part.build((3,))
    >>> _ = part.scores.assign([-0.5, 0.1, 0.2])
    >>> part(w).numpy().tolist()
    [2.0, 0.0, 4.0]
    """


METHOD = Method(
    "edge_popup",
    title="edge-popup",
    formula=r"\tilde{w} = w \odot \operatorname{top}_k(\lvert s \rvert), \quad "
    r"\frac{\partial L}{\partial s} = \frac{\partial L}{\partial "
    r"\tilde{w}} \odot w \odot \operatorname{sign}(s)",
    call='kprune.select(model, "edge_popup", sparsity=0.5)',
    paper="Ramanujan et al., 2020",
    link="https://arxiv.org/abs/1911.13299",
    test="tests/learned/test_select.py::test_edge_popup_and_biprop_by_hand",
    deviation="sparsity is what is left out; the released code's rate is what "
    "stays",
    build=edge_popup,
)
