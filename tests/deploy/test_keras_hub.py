"""KerasHub's backbones and tasks live through kprune, and shrink.

They need `pip install kprune[hub]`, and go by `-m slow`.
"""

import importlib.util

import pytest
from hub_models import LANGUAGE, NAMES, TASKS, build, generated
from lifecycle import assert_same, saved_and_loaded
from networks import CE

import kprune
from kprune.deploy.shrink import plan

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("keras_hub") is None,
        reason="keras-hub is not installed: pip install kprune[hub]",
    ),
    # Its tasks have a `compile` of their own, which kprune cannot repeat.
    pytest.mark.filterwarnings("ignore:.*call `compile` again"),
]
# (what is halved, number of it before) by the kernel that makes it.
WIDTHS = {
    "bert": {"feedforward_intermediate_dense": 32, "query_dense": 4},
    "roberta": {"feedforward_intermediate_dense": 32, "query_dense": 4},
    "gpt2": {"feedforward_intermediate_dense": 32, "query_dense": 4},
    "gemma": {"gating_ffw": 16, "gating_ffw_2": 16, "key_dense": 2},
    "llama": {
        "feedforward_gate_dense": 32,
        "feedforward_intermediate_dense": 32,
        "key_dense": 2,
    },
    "vit": {"dense_1": 32, "query_dense": 4},
    "resnet": {"conv1_conv": 64, "stack1_block0_1_conv": 128},
}


def infer(model, x):
    return model(x, training=False)


@pytest.mark.parametrize("name", NAMES)
def test_lives_through(name, tmp_path):
    model, x, y = build(name)
    masked = kprune.prune(model, "magnitude", 0.5)
    assert isinstance(masked, type(model))
    if y is not None:
        masked.compile("adam", CE)
        masked.fit(x, y, verbose=0)
    loaded = saved_and_loaded(masked, tmp_path)
    stripped = kprune.strip(loaded)
    assert type(stripped) is type(model)
    again = saved_and_loaded(stripped, tmp_path)
    for one in (loaded, stripped, again):
        assert_same(infer(one, x), infer(masked, x), 1e-6)
    assert_same(kprune.get_masks(loaded), kprune.get_masks(masked))


@pytest.mark.parametrize("name", TASKS)
def test_gradients_score_it(name):
    model, x, y = build(name)
    masked = kprune.prune(model, "snip", 0.5, data=(x, y), loss=CE)
    masks = kprune.get_masks(masked).values()
    kept, total = sum(m.sum() for m in masks), sum(m.size for m in masks)
    assert abs(kept - total / 2) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_widths_heads_and_channels_go(name, tmp_path):
    model, x, _ = build(name)
    masked = kprune.prune(
        model, "magnitude", 0.5, granularity="channel", allocation="uniform"
    )
    small = kprune.shrink(masked, verbose=0)
    assert_same(infer(small, x), infer(masked, x), 1e-5)
    loaded = saved_and_loaded(small, tmp_path)
    assert_same(infer(loaded, x), infer(small, x), 1e-6)
    rows = [
        (r.layer.split("/")[-1], r.before, r.after) for r in plan(masked).rows
    ]
    for layer, before in WIDTHS[name.split()[0]].items():
        found = [(b, a) for place, b, a in rows if place == layer]
        assert found and set(found) == {(before, before // 2)}


@pytest.mark.parametrize("name", TASKS)
def test_what_has_shrunk_is_pruned_and_shrunk_again(name, tmp_path):
    model, x, y = build(name)
    masked = kprune.prune(
        model, "snip", 0.5, data=(x, y), loss=CE, granularity="channel"
    )
    small = kprune.shrink(masked, verbose=0)
    assert_same(infer(small, x), infer(masked, x), 1e-5)
    small = saved_and_loaded(small, tmp_path)
    small.compile("adam", CE)
    small.fit(x, y, verbose=0)
    masked = kprune.prune(small, "magnitude", 0.3, granularity="channel")
    least = kprune.shrink(saved_and_loaded(masked, tmp_path), verbose=0)
    assert_same(infer(least, x), infer(masked, x), 1e-5)
    counts = [m.count_params() for m in (model, small, least)]
    assert counts == sorted(counts, reverse=True) and len(set(counts)) == 3


@pytest.mark.parametrize("name", LANGUAGE)
def test_what_is_pruned_generates(name, tmp_path):
    model, x, _ = build(name)
    masked = kprune.prune(model, "magnitude", 0.5)
    loaded, plain = saved_and_loaded(masked, tmp_path), kprune.strip(masked)
    found = [generated(one, x) for one in (masked, loaded, plain)]
    assert_same(found[1:], found[:1] * 2)
    assert (found[0][:, 4:] != 0).any()


@pytest.mark.parametrize(
    ("name", "heads_stay"), [("gemma", False), ("llama", True), ("gpt2", True)]
)
def test_what_has_shrunk_generates_the_same(name, heads_stay, tmp_path):
    """Of Gemma heads go too: the size of one stands in its config."""
    model, x, _ = build(name)
    masked = kprune.prune(
        model,
        "magnitude",
        0.5,
        granularity="channel",
        allocation="uniform",
        exclude=".*attention.*" if heads_stay else None,
    )
    small = kprune.shrink(masked, verbose=0)
    assert type(small) is type(model)
    assert small.backbone.intermediate_dim == 16
    assert_same(infer(small, x), infer(masked, x), 1e-5)
    loaded = saved_and_loaded(small, tmp_path)
    words = [generated(one, x) for one in (masked, small, loaded)]
    assert_same(words[1:], words[:1] * 2)


@pytest.mark.parametrize("kind", ["Mistral", "Mixtral", "Qwen", "Qwen3"])
def test_heads_of_kin_of_llama_go(kind, tmp_path):
    import keras_hub

    sizes = {"num_query_heads": 4, "num_key_value_heads": 2, "hidden_dim": 16}
    if kind == "Mixtral":
        sizes["num_experts"] = 2
    if kind == "Qwen3":
        sizes["head_dim"] = 8
    cls = getattr(keras_hub.models, f"{kind}Backbone")
    model = cls(50, num_layers=1, intermediate_dim=32, **sizes)
    _, x, _ = build("llama backbone")
    masked = kprune.prune(
        model, "magnitude", 0.5, granularity="channel", allocation="uniform"
    )
    small = kprune.shrink(masked, verbose=0)
    assert_same(infer(small, x), infer(masked, x), 1e-5)
    assert_same(infer(saved_and_loaded(small, tmp_path), x), infer(small, x))
    rows = [r for r in plan(masked).rows if r.why == "counted in heads"]
    assert {(r.before, r.after) for r in rows} == {(2, 1)}


def test_a_residual_classifier_loses_half_of_its_channels():
    model, *_ = build("resnet")
    assert model.count_params() == 308_426
    masked = kprune.prune(
        model, "magnitude", 0.5, granularity="channel", allocation="uniform"
    )
    assert kprune.shrink(masked, verbose=0).count_params() < 80_000
