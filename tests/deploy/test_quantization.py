"""What Keras quantizes of a pruned model is zero where it was."""

import keras
import numpy as np
import pytest
from composite_layers import FeedForward
from lifecycle import unchanged
from networks import dense_net
from quantized import calibrated, computed

import kprune

WORDS = np.arange(16).reshape(2, 8)


def network():
    """Words, two blocks of seven hidden units, and scores of words."""
    given = keras.Input((8,), dtype="int32")
    embedding = keras.layers.Embedding(20, 8, name="words")
    blocks = [FeedForward(7, name=name) for name in ("first", "second")]
    x = embedding(given)
    for block in blocks:
        x = block(x)
    return keras.Model(given, keras.layers.Dense(20, name="scores")(x))


def pruned():
    return kprune.prune(network(), "magnitude", 0.5, exclude="words")


def of(kind, model, **options):
    """Returns a mode, or a config that knows the blocks of a model."""
    if not kind.endswith("Config"):
        return kind
    layers = {x.name: x for x in model.layers}
    structure = {
        "pre_block_layers": [layers["words"]],
        "sequential_blocks": [layers["first"], layers["second"]],
    }
    options["quantization_layer_structure"] = structure
    return calibrated(kind, **options)


def dense(model):
    """Returns the layers of the blocks by name."""
    blocks = map(model.get_layer, ("first", "second"))
    return {f"{b.name}/{x.name}": x for b in blocks for x in (b.up, b.down)}


def revived(model, small):
    """Returns how many weights that were zero are zero, and are none."""
    zeros = {n: x.kernel.numpy() == 0 for n, x in dense(model).items()}
    found = [
        computed(layer, zeros[name].shape)[zeros[name]]
        for name, layer in dense(small).items()
    ]
    found = np.concatenate(found)
    return np.count_nonzero(found == 0), np.count_nonzero(found)


MODES = {
    "int8": ("int8", {}),
    "int4": ("int4", {}),
    "GPTQ": ("GPTQConfig", {}),
    "GPTQ of 8 bits": ("GPTQConfig", {"weight_bits": 8}),
    "GPTQ of 2 bits": ("GPTQConfig", {"weight_bits": 2, "group_size": 4}),
    "GPTQ of one group": ("GPTQConfig", {"group_size": -1}),
    "GPTQ in order": ("GPTQConfig", {"activation_order": True}),
    "AWQ": ("AWQConfig", {}),
}


@pytest.mark.parametrize("name", MODES)
def test_zeros_stay(name):
    kind, options = MODES[name]
    model = kprune.strip(pruned())
    with unchanged(model):
        small = kprune.quantize(model, of(kind, model, **options))
    modes = {x.quantization_mode for x in dense(small).values()}
    assert modes == {kind.removesuffix("Config").lower()}
    assert np.isfinite(small(WORDS)).all()
    zeros = sum(int(np.sum(x.kernel == 0)) for x in dense(model).values())
    assert revived(model, small) == (zeros, 0) and zeros > 50


@pytest.mark.parametrize("bits", [4, 8])
def test_what_gptq_has_moved_is_zero_again(bits, monkeypatch):
    quantize = keras.Model.quantize

    def drifting(model, *args, **kwargs):
        quantize(model, *args, **kwargs)
        for layer in dense(model).values():
            codes = layer.quantized_kernel.numpy()
            layer.quantized_kernel.assign(codes ^ 0x11)

    monkeypatch.setattr(keras.Model, "quantize", drifting)
    model = kprune.strip(pruned())
    theirs = kprune.strip(model)
    config = of("GPTQConfig", theirs, weight_bits=bits)
    theirs.quantize("gptq", config=config)
    assert revived(model, theirs)[1] > 50
    config = of("GPTQConfig", model, weight_bits=bits)
    assert revived(model, kprune.quantize(model, config))[1] == 0


def test_masks_are_folded_in():
    masked = pruned()
    with unchanged(masked):
        small = kprune.quantize(masked)
    assert revived(kprune.strip(masked), small)[1] == 0
    with pytest.raises(ValueError, match=r"`kprune.quantize`"):
        masked.quantize("int8")


@pytest.mark.parametrize(
    ("make", "mode", "words"),
    [
        (dense_net, "gptq", "one of int8, int4, float8, or a config"),
        (dense_net, 8, "Received: mode=8"),
        (dense_net, calibrated("GPTQConfig"), "quantization structure"),
        (dense_net, of("AWQConfig", network()), "not a layer of model"),
        (
            lambda: keras.Sequential(
                [keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 3)]
            ),
            "int8",
            "quantizes no layer",
        ),
    ],
    ids=[
        "no config",
        "a number",
        "no structure",
        "other blocks",
        "convolutions",
    ],
)
def test_bad_input_is_answered(make, mode, words):
    model = make()
    with unchanged(model), pytest.raises(ValueError, match=words):
        kprune.quantize(model, mode)
