"""Graphs of own classes in one another, that share layers."""

import keras
import numpy as np
import pytest
from lifecycle import (
    assert_same,
    live_through,
    normal,
    pruned_values,
    saved_and_loaded,
    values,
)
from own_class_graphs import (
    Classifier,
    Extended,
    ImageBackbone,
    LanguageModel,
    TokenBackbone,
    serializable,
    tokens,
)

import kprune
from kprune.masking import weights
from kprune.runtime import keras_internals

KINDS = {
    "backbone": (TokenBackbone, tokens, (3, 5, 4)),
    "tied": (lambda: LanguageModel(TokenBackbone()), tokens, (3, 5, 20)),
    "task": (
        lambda: Classifier(ImageBackbone()),
        lambda: normal(3, 8, 8, 3),
        (3, 3),
    ),
    "of a task": (
        lambda: Classifier(LanguageModel(TokenBackbone())),
        tokens,
        (3, 3),
    ),
    "on tensors": (lambda: Extended(TokenBackbone()), tokens, (3, 5, 3)),
}


def language_model():
    keras.utils.set_random_seed(1)
    return LanguageModel(TokenBackbone())


@pytest.mark.parametrize("name", KINDS)
def test_lives_through(name, tmp_path):
    build, inputs, shape = KINDS[name]
    live_through(build(), inputs(), normal(*shape), tmp_path, export=False)


def test_a_layer_that_two_graphs_call_is_masked_once(tmp_path):
    model = language_model()
    masked = kprune.prune(model, "magnitude", 0.5)
    parts = "table/embeddings", "up/kernel", "down/kernel"
    names = [f"token_backbone/{part}" for part in parts]
    assert list(kprune.get_masks(masked)) == names
    for one in (masked, saved_and_loaded(masked, tmp_path)):
        assert isinstance(one.backbone, TokenBackbone)
        assert isinstance(one.backbone.embedding, kprune.Masked)
        assert one.get_layer("table") is one.backbone.embedding
        assert one.get_layer("norm") is one.backbone.norm
        assert one.backbone is one.get_layer(model.backbone.name)


def test_what_calls_the_layers_itself_sees_the_masks(tmp_path):
    model, x = language_model(), tokens()
    masked = kprune.wrap(model, keep_pruned_values=True)
    masks = {n: np.zeros_like(m) for n, m in kprune.get_masks(masked).items()}
    table = next(name for name in masks if "table" in name)
    masks[table][:7] = True
    kprune.set_masks(masked, masks)
    assert pruned_values(masked).any()
    words = masked.generate(x)
    assert not np.array_equal(words, model.generate(x))
    for copy in (kprune.strip(masked), saved_and_loaded(masked, tmp_path)):
        assert_same(copy.generate(x), words)
        assert_same(copy(x), masked(x))


def test_a_backbone_is_saved_by_itself(tmp_path):
    masked = kprune.prune(language_model(), "magnitude", 0.5)
    loaded = saved_and_loaded(masked.backbone, tmp_path)
    assert isinstance(loaded, TokenBackbone)
    assert_same(loaded(tokens()), masked.backbone(tokens()))
    masks = kprune.get_masks(masked.backbone)
    assert_same(kprune.get_masks(loaded), masks)
    assert type(kprune.strip(masked).backbone) is TokenBackbone


@pytest.mark.parametrize(
    "put",
    [
        kprune.learned.soft_threshold,
        lambda model: kprune.select(model, "edge_popup", 0.5),
    ],
    ids=["soft_threshold", "edge_popup"],
)
def test_what_is_learned_of_a_shared_weight_is_one(put, tmp_path):
    model, x = language_model(), tokens()
    learned = put(model)
    names = [w.name for w in weights.find(model) if w.skipped is None]
    shares = kprune.learned.effective_weights(learned)
    assert sorted(shares) == sorted(names)
    loaded = saved_and_loaded(learned, tmp_path)
    assert_same(loaded(x), learned(x))
    stripped = kprune.strip(learned)
    assert type(stripped) is LanguageModel
    assert type(stripped.backbone) is TokenBackbone
    assert_same(stripped(x), learned(x), 1e-6)
    assert_same(stripped.generate(x), learned.generate(x))


def test_a_backbone_that_is_not_called_has_the_masks_too(tmp_path):
    model, x = Extended(TokenBackbone()), tokens()
    masked = kprune.wrap(model, keep_pruned_values=True)
    masks = kprune.get_masks(masked)
    kprune.set_masks(masked, {n: m & (m < 0) for n, m in masks.items()})
    for one in (masked, saved_and_loaded(masked, tmp_path)):
        assert one.backbone.embedding is one.get_layer("table")
        assert not np.any(one.backbone.embedding(x))
        assert_same(one.backbone(x), one.backbone.norm(np.zeros((3, 5, 4))))


def test_a_graph_that_is_held_alone_stays_as_it_is(tmp_path):
    @serializable
    class Taught(Extended):
        def __init__(self, backbone, **kwargs):
            super().__init__(backbone, **kwargs)
            head = keras.layers.Dense(3)(backbone.input)
            self.teacher = keras.Model(backbone.input, head)

    model, x = Taught(TokenBackbone()), tokens()
    masked = kprune.prune(model, "magnitude", 0.5)
    assert type(masked.teacher.layers[-1]) is keras.layers.Dense
    for one in (masked, saved_and_loaded(masked, tmp_path)):
        assert_same(one.teacher(x), model.teacher(x))
        assert_same(one(x), masked(x))


def test_a_backbone_that_was_wrapped_as_a_whole_is_so_again():
    model = Classifier(ImageBackbone())
    masked = kprune.wrap(model)
    config = masked.get_config()
    assert sorted(config["wrappers"]) == [
        *("head", "image_backbone/a", "image_backbone/b"),
    ]
    options = {"live": False, "dense_gradients": False, "notes": {}}
    config["wrappers"] = {  # As kprune 0.1 wrote it.
        "head": {**options, "masked": ["kernel"]},
        "image_backbone": {**options, "masked": ["a/kernel", "b/kernel"]},
    }
    loaded = type(masked).from_config(config)
    assert isinstance(loaded.backbone, kprune.Masked)
    assert list(kprune.get_masks(loaded)) == list(kprune.get_masks(masked))
    x = normal(2, 8, 8, 3)
    assert_same(kprune.strip(loaded)(x), loaded(x))


def test_layers_taken_over_have_the_calls_of_the_new_graphs():
    model, x = language_model(), tokens()
    masked = kprune.wrap(model)
    dropped = masked.backbone.get_layer("drop").output
    assert dropped.shape == (None, 5, 6)
    part = keras.Model(masked.input, dropped)
    expected = keras.Model(
        model.backbone.input, model.backbone.get_layer("drop").output
    )
    assert_same(part(x), expected(x))
    assert keras_internals.calls(masked.backbone.norm) == 2


def test_what_is_frozen_in_a_backbone_stays_frozen(tmp_path):
    model = language_model()
    model.backbone.get_layer("up").trainable = False
    model.backbone.norm.trainable = False
    trained = [v.name for v in model.trainable_variables]
    masked = kprune.wrap(model)
    for copy in (masked, kprune.strip(masked)):
        assert [v.name for v in copy.trainable_variables] == trained
        assert len(values(copy)) == len(model.variables)
