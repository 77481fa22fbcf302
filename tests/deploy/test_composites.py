"""What goes within layers whose own code calls layers that they hold."""

import keras
import numpy as np
import pytest
from composite_layers import (
    Attending,
    FeedForward,
    Forgetful,
    Gated,
    Reading,
    Scaled,
    Tower,
)
from lifecycle import assert_same, normal, saved_and_loaded, unchanged
from own_class_graphs import Classifier, serializable

import kprune
from kprune.deploy.shrink import plan
from kprune.deploy.shrink.resized import ResizedLayer
from kprune.graph import composites
from kprune.runtime import keras_internals

layers = keras.layers


def around(*blocks, width=8):
    """A model of blocks between two dense layers, with biases drawn."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((5, width))
    x = inputs
    for block in blocks:
        x = block(x)
    model = keras.Model(inputs, layers.Dense(2, name="out")(x))
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        if variable.name in ("bias", "beta"):
            variable.assign(rng.normal(size=variable.shape))
    return model


def halved(model, **options):
    options = {"allocation": "uniform", **options}
    return kprune.prune(
        model, "magnitude", 0.5, granularity="channel", **options
    )


def shrunk(model, directory):
    """Returns a smaller model, saved, loaded and the same."""
    small = kprune.shrink(model, verbose=0)
    loaded = saved_and_loaded(small, directory)
    x = normal(3, *model.input_shape[1:])
    assert_same(small(x), model(x), 1e-5)
    assert_same(loaded(x), small(x))
    assert [v.path for v in loaded.variables] == [
        v.path for v in small.variables
    ] or len(loaded.variables) == len(small.variables)
    return loaded


@pytest.mark.parametrize("use_bias", [True, False])
def test_a_width_that_its_config_sets_is_made_by_its_constructor(
    use_bias, tmp_path
):
    model = halved(around(FeedForward(12, use_bias, name="block")))
    masks = kprune.get_masks(model)
    up, down = masks["block/up/kernel"], masks["block/down/kernel"]
    kept = up.any(0)
    assert kept.sum() == 6
    np.testing.assert_array_equal(down.any(1), kept)
    block = shrunk(model, tmp_path).get_layer("block")
    assert type(block) is FeedForward
    assert (block.hidden, block.up.units, block.down.units) == (6, 6, 8)
    rows = {row.layer: row for row in plan(model).rows}
    assert (rows["block/up"].before, rows["block/up"].after) == (12, 6)


def test_gated_equations_lose_both_halves(tmp_path):
    model = halved(around(Gated(16, name="block")))
    block = shrunk(model, tmp_path).get_layer("block")
    assert type(block) is Gated and block.width == 8
    assert block.gate.kernel.shape == block.value.kernel.shape == (8, 4)


def test_heads_that_no_config_can_tell_go(tmp_path):
    model = halved(around(Attending(4, 12, name="block")))
    assert "block/self_attention/query_dense/kernel" in kprune.get_masks(model)
    (row,) = (r for r in plan(model).rows if r.layer.endswith("query_dense"))
    assert (row.before, row.after, row.why) == (4, 2, "counted in heads")
    small = shrunk(model, tmp_path)
    block = small.get_layer("block")
    assert isinstance(block, Attending) and isinstance(block, ResizedLayer)
    assert block._self_attention.value_dense.kernel.shape == (8, 2, 2)
    assert block.feed_forward.up.units == 6
    # It goes on as any other model.
    again = halved(small)
    loaded = saved_and_loaded(again, tmp_path)
    assert_same(loaded(normal(3, 5, 8)), again(normal(3, 5, 8)))
    least = shrunk(again, tmp_path).get_layer("block")
    assert least._self_attention.num_heads == 1
    assert least.feed_forward.up.units == 3
    small.compile("sgd", "mse", run_eagerly=True)
    small.train_on_batch(normal(4, 5, 8), normal(4, 5, 2))


def test_blocks_of_one_width_take_widths_of_their_own(tmp_path):
    model = around(Tower(2, 12, name="tower"))
    first, second = model.get_layer("tower").blocks
    for block, gone in ((first, 3), (second, 7)):
        kernel = np.array(block.up.kernel)
        kernel[:, :gone] = 0
        block.up.kernel.assign(kernel)
    tower = shrunk(model, tmp_path).get_layer("tower")
    assert [block.up.units for block in tower.blocks] == [9, 5]
    assert tower.hidden == 12  # As its constructor knows it.


@pytest.mark.parametrize("kind", [Scaled, Reading])
def test_code_that_depends_on_a_width_keeps_it(kind, tmp_path):
    model = halved(around(kind(12, name="block"), FeedForward(4, name="next")))
    small = shrunk(model, tmp_path)
    assert small.get_layer("block").up.units == 12
    assert small.get_layer("next").up.units == 2
    rows = {row.layer: row.after for row in plan(model).rows}
    assert (rows["block/up"], rows["next/up"]) == (12, 2)


def test_layers_whose_config_does_not_make_them_are_saved(tmp_path):
    @serializable
    class Own(keras.Model):
        def __init__(self, **kwargs):
            inputs = keras.Input((5, 8))
            x = FeedForward(12, name="block")(inputs)
            x = Forgetful(3.0, "random_normal", name="scale")(x)
            super().__init__(inputs, layers.Dense(2)(x), **kwargs)

        def get_config(self):
            return {"name": self.name}

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    small = shrunk(halved(Own()), tmp_path)
    assert small.get_layer("scale").factor == 3.0
    assert small.get_layer("block").up.units == 6


def test_a_dense_layer_within_reads_all_of_its_input(tmp_path):
    model = around(FeedForward(12, name="block"))
    block = model.get_layer("block")
    kernel = np.array(block.up.kernel)
    kernel[:6] = 0
    block.up.kernel.assign(kernel)
    small = kprune.compact(model, verbose=0)
    assert_same(small(normal(2, 5, 8)), model(normal(2, 5, 8)), 1e-5)
    assert small.get_layer("block").up.kernel.shape == (8, 12)


def test_a_subclassed_model_in_a_graph_is_looked_into(tmp_path):
    @serializable
    class Part(keras.Model):
        def __init__(self, hidden, **kwargs):
            super().__init__(**kwargs)
            self.hidden, self.up = hidden, layers.Dense(hidden, "relu")
            self.blocks = [layers.Dense(hidden), layers.Dense(8)]

        def call(self, x):
            return self.blocks[1](self.blocks[0](self.up(x)))

        def get_config(self):
            return {**super().get_config(), "hidden": self.hidden}

    model = around(Part(12, name="part"))
    up = np.array(model.get_layer("part").up.kernel)
    up[:, :5] = 0
    model.get_layer("part").up.kernel.assign(up)
    part = shrunk(model, tmp_path).get_layer("part")
    assert isinstance(part, Part)
    assert (part.up.units, part.blocks[0].units) == (7, 12)


def test_looking_at_a_layer_leaves_no_trace():
    model = around(Attending(4, 12, name="block"))
    parts = [*model.get_layer("block")._flatten_layers()]
    before = [keras_internals.calls(part) for part in parts]
    (call,) = [
        arguments
        for layer, arguments, _ in keras_internals.nodes(model)
        if layer.name == "block"
    ]
    with unchanged(model):
        traced = composites.trace(model.get_layer("block"), call)
    kinds = [type(layer) for layer, _, _ in traced.nodes]
    assert kinds[-1] is FeedForward
    assert layers.MultiHeadAttention in kinds
    assert [keras_internals.calls(part) for part in parts] == before


def test_a_composite_layer_in_a_backbone_of_an_own_class(tmp_path):
    @serializable
    class Blocks(keras.Model):
        def __init__(self, hidden=12, **kwargs):
            inputs = keras.Input((5, 8))
            x = FeedForward(hidden, name="block")(inputs)
            super().__init__(inputs=inputs, outputs=x, **kwargs)
            self.hidden = hidden

        def get_config(self):
            return {"hidden": self.hidden, "name": self.name}

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    small = shrunk(halved(Classifier(Blocks())), tmp_path)
    (backbone,) = [x for x in small.layers if isinstance(x, keras.Model)]
    assert backbone.get_layer("block").up.units == 6


def test_a_gate_in_another_precision_is_followed(tmp_path):
    @serializable
    class Cast(Gated):
        def call(self, x):
            gate = keras.ops.cast(self.gate(x), "float32")
            gate = keras.ops.cast(keras.activations.silu(gate), x.dtype)
            return self.down(gate * self.value(x)) + x

    block = shrunk(halved(around(Cast(16, name="b"))), tmp_path).get_layer("b")
    assert (block.width, block.gate.kernel.shape) == (8, (8, 4))
