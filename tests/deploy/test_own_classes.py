"""Graphs that constructors of own classes make, smaller."""

import keras
import numpy as np
import pytest
from lifecycle import assert_same, normal, saved_and_loaded
from own_class_graphs import (
    Classifier,
    ImageBackbone,
    LanguageModel,
    OfArguments,
    TokenBackbone,
    serializable,
    tokens,
)

import kprune
from kprune.deploy.shrink import plan

layers = keras.layers


def classifier():
    keras.utils.set_random_seed(1)
    return Classifier(ImageBackbone())


def halved(model):
    return kprune.prune(
        model,
        "magnitude",
        0.5,
        granularity="channel",
        allocation="uniform",
    )


def is_plain(model):
    return type(model) is type(keras.Model(model.input, model.output))


def test_channels_go_as_in_the_plain_graph(tmp_path):
    model, x = classifier(), normal(2, 8, 8, 3)
    masked = halved(model)
    plain = keras.Model(model.input, model.output, name="plain")
    expected = kprune.get_masks(halved(plain))
    masks = kprune.get_masks(masked)
    assert_same(list(masks.values()), list(expected.values()))
    small = kprune.shrink(masked, verbose=0)
    # One number of the backbone's sets both widths, of which one stays.
    assert is_plain(small) and small.name == model.name
    same = kprune.shrink(halved(plain), verbose=0)
    assert small.count_params() == same.count_params()
    backbone = small.get_layer(model.backbone.name)
    assert backbone.get_layer("a").filters == 4
    assert_same(small(x), masked(x), 1e-5)
    assert_same(saved_and_loaded(small, tmp_path)(x), small(x))
    rows = {row.layer: (row.before, row.after) for row in plan(masked).rows}
    assert rows["image_backbone/a"] == (8, 4)
    # The backbone by itself gives its maps as they are.
    small = kprune.shrink(masked.backbone, verbose=0)
    assert (small.get_layer("a").filters, small.get_layer("b").filters) == (
        4,
        8,
    )


def test_a_layer_of_the_backbone_in_the_head_stays_one(tmp_path):
    keras.utils.set_random_seed(1)
    model, x = LanguageModel(TokenBackbone()), tokens()
    without_units(model, 2)
    model.backbone.norm.trainable = False
    small = kprune.shrink(model, verbose=0)
    assert type(small) is LanguageModel and small.backbone.hidden == 4
    tables = [v for v in small.variables if v.name == "embeddings"]
    assert len(tables) == 1
    assert not small.backbone.norm.trainable
    assert_same(small.generate(x), model.generate(x))
    loaded = saved_and_loaded(small, tmp_path)
    assert_same(small(x), model(x), 1e-5)
    assert_same(loaded(x), small(x))
    assert len(loaded.variables) == len(small.variables)


@pytest.mark.parametrize("carry", [False, True])
def test_training_goes_on(carry):
    masked = halved(classifier())
    masked.compile(keras.optimizers.Adam(0.01), "mse", run_eagerly=True)
    x, y = normal(4, 8, 8, 3), normal(4, 3)
    masked.train_on_batch(x, y)
    small = kprune.shrink(masked, carry_optimizer=carry, verbose=0)
    small.train_on_batch(x, y)
    assert int(small.optimizer.iterations) == 1 + carry


@pytest.mark.parametrize("carry", [False, True])
def test_the_class_stays_if_nothing_goes(carry):
    model, x = classifier(), normal(2, 8, 8, 3)
    model.compile("adam", "mse", run_eagerly=True)
    model.train_on_batch(normal(2, 8, 8, 3), normal(2, 3))
    same = kprune.shrink(model, carry_optimizer=carry, verbose=0)
    assert type(same) is Classifier
    assert_same(same(x), model(x))
    assert int(same.optimizer.iterations) == carry


def test_a_call_of_its_own_is_no_graph():
    @serializable
    class Twice(ImageBackbone):
        def call(self, inputs, training=None, mask=None):
            return 2 * super().call(inputs, training=training)

    masked, x = halved(Twice()), normal(2, 8, 8, 3)
    small = kprune.shrink(masked, verbose=0)
    assert type(small) is Twice
    assert_same(small(x), masked(x))
    assert plan(masked).rows[0].why == "Twice is no graph of layers"


def without_units(model, count):
    """Takes the input of some units of a backbone's hidden layer."""
    up = model.backbone.get_layer("up")
    kernel = np.array(up.kernel)
    kernel[:, :count] = 0
    up.kernel.assign(kernel)


@serializable
class Narrow(OfArguments, keras.Model):
    """Two convolutions, `hidden` channels between; the sum may be a mean."""

    arguments = ("hidden", "mean")

    def __init__(self, hidden=6, mean=False, **kwargs):
        inputs = keras.Input((8, 8, 3), name="image")
        x = layers.Conv2D(hidden, 1, name="a")(inputs)
        x = layers.Conv2D(2, 1, use_bias=False, name="b")(x)
        outputs = x / hidden if mean else x
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        self.hidden, self.mean = hidden, mean


@pytest.mark.parametrize(
    ("mean", "bias", "is_kept"),
    [
        (False, 0, True),
        # What `b` takes over is a bias, which the constructor does not make.
        (False, 1, False),
        # The constructor's graph would divide by another number.
        (True, 0, False),
    ],
)
def test_the_class_stays_if_its_constructor_makes_it(mean, bias, is_kept):
    model, x = Narrow(mean=mean), normal(2, 8, 8, 3)
    kernel, offset = map(np.array, model.get_layer("a").get_weights())
    kernel[..., :2], offset[:2] = 0, bias
    model.get_layer("a").set_weights([kernel, offset])
    small = kprune.shrink(model, verbose=0)
    assert small.get_layer("a").filters == 4
    assert (type(small) is Narrow) == is_kept
    assert_same(small(x), model(x), 1e-5)


def test_a_compile_of_its_own_reaches_the_plain_graph():
    @serializable
    class Own(Classifier):
        def compile(self, optimizer="sgd", loss="auto", **options):
            loss = "mse" if loss == "auto" else loss
            super().compile(optimizer, loss, **options)

    with pytest.warns(UserWarning, match="call `compile` again"):
        model = Own(ImageBackbone())
        model.compile()
        masked = halved(model)
    masked.compile(loss="mae")
    assert kprune.shrink(masked, verbose=0).loss == "mae"


def test_dead_units_of_an_own_class_are_compacted():
    model, x = LanguageModel(TokenBackbone()), tokens()
    masked = kprune.prune(model, "random", 0.9, on_collapse="ignore")
    small = kprune.compact(masked, verbose=0)
    assert small.count_params() < model.count_params()
    assert_same(small(x), masked(x), 1e-5)
