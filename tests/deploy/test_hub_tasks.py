"""KerasHub's tasks, all that becomes of them: each network by each behaviour.

They need `pip install kprune[hub]`, and go by `-m slow`.
"""

import importlib.util

import keras
import numpy as np
import pytest
import tensorflow as tf
from hub_models import IMAGES, LANGUAGE, TASKS, build, generated, raw
from lifecycle import assert_same, saved_and_loaded
from networks import CE
from quantized import calibrated, computed

import kprune
from kprune.masking import weights
from kprune.scoring import blocks

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("keras_hub") is None,
        reason="keras-hub is not installed: pip install kprune[hub]",
    ),
    # Its tasks have a `compile` of their own, which kprune cannot repeat.
    pytest.mark.filterwarnings("ignore:.*call `compile` again"),
    # Positions of BERT and GPT-2 are told of, and layers that are blocks of
    # none; `test_positions_stay_dense` looks at the first.
    pytest.mark.filterwarnings("ignore:.*stay dense and do not count"),
    pytest.mark.filterwarnings("ignore:No blocks are found"),
]
METHODS = [
    ("magnitude", {}),
    ("snip", {}),
    ("ria", {}),
    ("wanda", {"sequential": True}),
    ("wanda", {"allocation": "owl"}),
    ("wanda", {"granularity": "2:4"}),
    ("sparsegpt", {"sequential": True}),
]


def pruned(name, method="magnitude", preprocess=False, **options):
    """Returns a task, what it is pruned to by half, its x and y."""
    model, x, y = build(name, preprocess)
    options = {"data": (x, y), "loss": CE, "verbose": 0, **options}
    return model, kprune.prune(model, method, 0.5, **options), x, y


def infer(model, x):
    return model(x, training=False)


@pytest.mark.parametrize("name", TASKS)
def test_methods_remove_half_and_zeros_leave(name):
    for criterion, options in METHODS:
        _, masked, x, _ = pruned(name, criterion, **options)
        # Weights that are not measured, or have no fours, have a note.
        found = [w for w in weights.find(masked) if w.mask is not None]
        masks = [np.asarray(w.mask) for w in found if not w.note]
        total = sum(mask.size for mask in masks)
        kept = sum(np.count_nonzero(mask) for mask in masks)
        assert abs(kept - total / 2) <= len(masks)
        stripped = kprune.strip(masked)
        assert type(stripped) is type(build(name)[0])
        assert_same(infer(stripped, x), infer(masked, x), 1e-6)


@pytest.mark.parametrize("name", LANGUAGE)
def test_what_is_stripped_generates_the_same(name, tmp_path):
    _, masked, x, _ = pruned(name, "sparsegpt", sequential=True)
    words = generated(masked, x)
    stripped = kprune.strip(masked)
    assert_same(generated(stripped, x), words)
    assert (words[:, 4:] != 0).any()
    loaded = saved_and_loaded(stripped, tmp_path)
    assert_same(infer(loaded, x), infer(masked, x), 1e-6)


@pytest.mark.parametrize("name", TASKS)
def test_blocks_are_found(name):
    model, *_ = build(name)
    assert len(blocks.find(model)) == (0 if name == "resnet" else 2)


@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2"])
def test_positions_stay_dense(name):
    with pytest.warns(UserWarning, match="PositionEmbedding"):
        _, masked, *_ = pruned(name, "wanda")
    masks = kprune.get_masks(masked)
    (dense,) = [n for n, mask in masks.items() if mask.all()]
    assert dense.endswith("position_embedding/embeddings")


@pytest.mark.parametrize("name", TASKS)
def test_what_is_pruned_is_served(name, tmp_path):
    _, masked, x, _ = pruned(name)
    kprune.export(masked, tmp_path / "saved")
    loaded = tf.saved_model.load(tmp_path / "saved")
    assert_same(loaded.serve(x), infer(masked, x), 1e-4)


@pytest.mark.parametrize("name", TASKS)
def test_preprocessors_stay(name, tmp_path):
    model, masked, *_ = pruned(name, preprocess=True, data=None)
    stripped = kprune.strip(masked)
    loaded = saved_and_loaded(masked, tmp_path)
    again = saved_and_loaded(stripped, tmp_path)
    x, found = raw(name), []
    for one in (masked, stripped, loaded, again):
        mine = one.preprocessor
        assert type(mine) is type(model.preprocessor)
        assert mine.get_config() == model.preprocessor.get_config()
        if name not in IMAGES:
            assert mine.tokenizer.get_vocabulary() == (
                model.preprocessor.tokenizer.get_vocabulary()
            )
        if name in LANGUAGE:
            one.compile(sampler="greedy")
            found.append(one.generate(x, max_length=8))
        else:
            found.append(one.predict(x, verbose=0))
    for one in found[1:]:
        assert_same(np.asarray(one) == np.asarray(found[0]), np.True_)


def kernels(model):
    """Returns the values of weights, by name, as layers compute with them."""
    return {
        w.name: keras.ops.convert_to_numpy(w.variable)
        for w in weights.find(model)
        if w.variable.name in ("kernel", "embeddings")
    }


@pytest.mark.parametrize("name", [*LANGUAGE, "bert", "roberta", "vit"])
def test_adapters_train_on_what_is_pruned(name):
    _, masked, x, y = pruned(name)
    plain = kprune.strip(masked)
    before, old = kernels(plain.backbone), infer(plain, x)
    plain.backbone.enable_lora(2)
    plain.compile("adam", CE)
    plain.fit(x, y, verbose=0)
    added = [v for v in plain.trainable_variables if "lora" in v.name]
    assert added and any(v.numpy().any() for v in added[1::2])
    assert_same(kernels(plain.backbone), before)
    assert np.abs(np.asarray(infer(plain, x)) - old).max() > 0


QUANTIZED = ["int8", "int4", "GPTQConfig", "AWQConfig"]


def how(kind):
    return calibrated(kind) if kind.endswith("Config") else kind


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert"])
@pytest.mark.parametrize("kind", QUANTIZED)
def test_zeros_stay_when_quantized(name, kind):
    _, masked, x, _ = pruned(name)
    if name == "bert" and kind.endswith("Config"):
        with pytest.raises(ValueError, match="quantization structure"):
            kprune.quantize(masked, how(kind))
        return
    small = kprune.quantize(masked, how(kind))
    assert np.isfinite(infer(small, x)).all()
    layers = {layer.path: layer for layer in small._flatten_layers()}
    count = 0
    for weight in weights.find(kprune.strip(masked)):
        layer = layers[weight.layer.path]
        mode = getattr(layer, "quantization_mode", None)
        if weight.variable.name == "kernel" and mode is not None:
            zero = weight.variable.numpy() == 0
            assert 0 < zero.mean() < 1
            assert not computed(layer, zero.shape)[zero].any()
            count += 1
    assert count >= 12


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_whole_blocks_go(name, tmp_path):
    model, masked, x, _ = pruned(name, "block_influence")
    small = kprune.shrink(masked, verbose=0)
    assert_same(infer(small, x), infer(masked, x), 1e-5)
    block = blocks.find(model)[0].count_params()
    assert model.count_params() - small.count_params() == block
    loaded = saved_and_loaded(small, tmp_path)
    assert_same(infer(loaded, x), infer(small, x), 1e-6)


def test_blocks_that_normalize_behind_stay():
    with pytest.raises(ValueError, match="none returns its input"):
        pruned("bert", "block_influence")
