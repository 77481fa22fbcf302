"""Copies with and without masks: wrap, strip, classes and sharing kept."""

import collections
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from lifecycle import (
    assert_same,
    checkerboard,
    normal,
    pruned_values,
    two_layers,
    values,
)

import kprune
from kprune.masking import weights, wrapping

# wrap and strip.


def test_wrap_twice_keeps_masks_and_notes():
    once = kprune.prune(two_layers(), "magnitude", 0.5, exclude="b")
    twice = kprune.wrap(once)

    assert_same(kprune.get_masks(twice), kprune.get_masks(once))
    assert_same(values(twice), values(once))
    assert [w.note for w in weights.find(twice)] == [None, "excluded"]
    assert len(wrapping.wrappers(twice)) == 2
    assert twice is not once


def test_strip_twice_is_strip():
    pruned = kprune.prune(two_layers(), "magnitude", 0.5)
    once = kprune.strip(pruned)
    twice = kprune.strip(once)

    assert_same(twice.get_weights(), once.get_weights())
    assert [type(x) for x in twice.layers] == [layers.Dense] * 2
    assert twice.get_config()["name"] == pruned.name


def test_weights_frozen_before_have_no_mask_and_those_after_keep_theirs():
    model = two_layers()
    model.get_layer("a").trainable = False
    frozen = model.get_layer("a").get_weights()
    pruned = kprune.prune(model, "magnitude", 0.5)
    assert list(kprune.get_masks(pruned)) == ["b/kernel"]
    assert_same(pruned.get_layer("a").get_weights(), frozen)

    pruned.get_layer("b").trainable = False
    again = kprune.wrap(pruned)
    assert_same(kprune.get_masks(again), kprune.get_masks(pruned))
    assert again.trainable_variables == []


def test_a_part_frozen_inside_of_a_layer_stays_frozen():
    class Part(layers.Layer):
        def __init__(self):
            super().__init__()
            self.norm, self.dense = layers.LayerNormalization(), layers.Dense(3)

        def build(self, shape):
            self.norm.build(shape)
            self.dense.build(shape)

        def call(self, x):
            return self.dense(self.norm(x))

    class Whole(keras.Model):
        def __init__(self):
            super().__init__()
            self.part = Part()

        def call(self, x):
            return self.part(x)

    model = Whole()
    model(normal(2, 4))
    model.part.norm.trainable = False
    trained = [v.name for v in model.trainable_variables]

    wrapped = kprune.wrap(model)
    for copy in (wrapped, kprune.wrap(wrapped), kprune.strip(wrapped)):
        assert [v.name for v in copy.trainable_variables] == trained


def test_layer_frozen_after_pruning_loads_with_its_mask(tmp_path):
    pruned = kprune.prune(two_layers(), "magnitude", 0.5)
    pruned.get_layer("a").trainable = False
    pruned.save(tmp_path / "model.keras")

    loaded = keras.models.load_model(tmp_path / "model.keras")

    assert_same(kprune.get_masks(loaded), kprune.get_masks(pruned))


def test_layer_held_by_two_others_has_one_mask():
    @keras.saving.register_keras_serializable("tests")
    class Head(layers.Layer):
        def __init__(self, embedding, **kwargs):
            super().__init__(**kwargs)
            self.embedding = embedding

        def call(self, x):
            return x @ ops.transpose(self.embedding.embeddings)

    class Tied(keras.Model):
        def __init__(self):
            super().__init__()
            self.embedding = layers.Embedding(7, 3)
            self.head = Head(self.embedding)

        def call(self, x):
            return self.head(self.embedding(x))

    model = Tied()
    x = np.array([[1, 2], [3, 4]])
    model(x)
    for keep in (False, True):
        wrapped = kprune.wrap(model, keep_pruned_values=keep)
        mask = checkerboard(7, 3)
        kprune.set_masks(wrapped, {"embedding/embeddings": mask})
        table = np.where(mask, values(model)[0], 0)
        # Both uses of the table are of the masked one.
        np.testing.assert_allclose(wrapped(x), table[x] @ table.T, rtol=1e-5)
        assert len(kprune.get_masks(wrapped)) == 1
        np.testing.assert_allclose(
            kprune.strip(wrapped)(x), wrapped(x), rtol=1e-6
        )


def test_layer_shared_with_a_nested_graph_has_one_mask():
    i = keras.Input((4,))
    shared = layers.Dense(4, name="shared")
    block = keras.Sequential([keras.Input((4,)), shared], name="block")
    model = keras.Model(i, block(layers.ReLU()(shared(i))))
    wrapped = kprune.prune(model, "magnitude", 0.5)

    assert list(kprune.get_masks(wrapped)) == ["shared/kernel"]
    assert len(wrapped.trainable_variables) == 2
    x = normal(2, 4)
    assert_same(kprune.strip(wrapped)(x), wrapped(x))


def test_sharing_that_a_config_cannot_tell_is_refused():
    i = keras.Input((5, 4))
    shared = layers.Dense(4)
    model = keras.Model(i, layers.TimeDistributed(shared)(shared(i)))

    with pytest.raises(ValueError, match="2 variables, its copy 4"):
        kprune.wrap(model)


def test_compiled_alike():
    def own_loss(y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred))

    model = two_layers()
    model.compile(
        keras.optimizers.SGD(0.25, momentum=0.5),
        own_loss,
        metrics=["mae"],
        jit_compile=False,
    )
    x, y = normal(4, 4), normal(4, 2)
    for copy in (kprune.wrap(model), kprune.strip(kprune.wrap(model))):
        assert copy.optimizer is not model.optimizer
        assert copy.optimizer.get_config() == model.optimizer.get_config()
        assert_same(
            copy.evaluate(x, y, verbose=0), model.evaluate(x, y, verbose=0)
        )
    assert model.optimizer.iterations == 0


def test_compile_that_cannot_be_carried_warns():
    class Loss(keras.losses.Loss):
        def __init__(self, weight):
            super().__init__()
            self.weight = weight

        def call(self, y_true, y_pred):
            return self.weight * ops.abs(y_true - y_pred)

    model = two_layers()
    model.compile("sgd", Loss(2.0))

    with pytest.warns(UserWarning, match="call `compile` again"):
        wrapped = kprune.wrap(model)
    assert not wrapped.compiled


def test_functions_and_classes_that_nobody_registered_are_copied():
    class Scale(layers.Layer):
        def call(self, x):
            return 2 * x

    class Ones(keras.initializers.Initializer):
        def __call__(self, shape, dtype=None):
            return ops.ones(shape, dtype)

    def relu(x):  # Not the one that Keras knows by this name.
        return x + 1

    factor = 3.0
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Lambda(lambda x: factor * np.float32(1) * x),
            layers.Dense(4, activation=lambda x: x - 1),
            layers.Dense(4, activation=relu, kernel_initializer=Ones()),
            Scale(),
            layers.Dense(2),
        ]
    )
    x = normal(2, 4)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wrapped = kprune.wrap(model)
        stripped = kprune.strip(wrapped)
    assert_same(wrapped(x), model(x))
    assert_same(stripped(x), model(x))
    assert relu.__name__ == "relu"
    assert stripped.layers[1].activation.__name__ == "<lambda>"


def test_layer_that_no_config_describes_is_named():
    class Opaque(layers.Layer):
        def __init__(self, table):
            super().__init__()
            self.table = table

        def call(self, x):
            return x * self.table

    model = keras.Sequential(
        [keras.Input((4,)), Opaque(np.ones(4)), layers.Dense(2)]
    )

    with pytest.raises(ValueError, match="of class Opaque cannot be copied"):
        kprune.wrap(model)


# Subclassed models.


@keras.saving.register_keras_serializable("tests")
class Net(keras.Model):
    """A subclassed model with a train step of its own."""

    def __init__(self, units, rate=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units, self.rate = units, rate
        self.hidden = [layers.Dense(units), layers.Dense(units)]
        self.drop, self.head = layers.Dropout(rate), layers.Dense(2)
        self.steps = 0

    def call(self, x, training=None):
        for layer in self.hidden:
            x = self.drop(ops.relu(layer(x)), training=training)
        return self.head(x)

    def train_step(self, data):
        self.steps += 1
        return super().train_step(data)

    def get_config(self):
        config = {"units": self.units, "rate": self.rate}
        return {**super().get_config(), **config}


def net():
    model = Net(5, rate=0.25)
    model(normal(2, 4))
    return model


def test_subclassed_model_keeps_its_class_and_train_step():
    model = net()
    wrapped = kprune.prune(
        model, "snip", 0.5, data=(normal(8, 4), normal(8, 2)), loss="mse"
    )

    assert isinstance(wrapped, Net)
    assert type(wrapped).__name__ == "Net"
    assert type(model) is Net and type(model.head) is layers.Dense
    wrapped.compile("sgd", "mse")
    wrapped.fit(normal(8, 4), normal(8, 2), verbose=0)
    assert wrapped.steps == 1  # It was traced.
    assert not pruned_values(wrapped).any()
    assert wrapped.head.units == 2  # The wrapper stands in for its layer.


def test_inplace_wraps_the_model_itself():
    model = net()
    model.compile("sgd", "mse")
    x, y = normal(8, 4), normal(8, 2)
    model.fit(x, y, verbose=0)
    outputs, optimizer = model(x), model.optimizer

    wrapped = kprune.wrap(model, inplace=True)

    assert wrapped is model and model.optimizer is optimizer
    assert_same(model(x), outputs)
    pruned = kprune.prune(model, "magnitude", 0.5, inplace=True)
    assert pruned is model
    model.fit(x, y, verbose=0)
    assert pruned_values(model).size == 27  # Of 20 + 25 + 10.
    assert not pruned_values(model).any()
    stripped = kprune.strip(model)
    assert type(stripped) is Net
    assert_same(stripped(x), model(x))


def test_inplace_is_refused_for_graphs():
    with pytest.raises(ValueError, match="`inplace=True` is for subclassed"):
        kprune.wrap(two_layers(), inplace=True)


def test_named_tuples_and_nested_containers_are_wrapped():
    Parts = collections.namedtuple("Parts", ["first", "last"])

    class Holder(keras.Model):
        def __init__(self):
            super().__init__()
            self.parts = Parts(layers.Dense(3), {"x": [(layers.Dense(2),)]})

        def call(self, x):
            return self.parts.last["x"][0][0](self.parts.first(x))

    model = Holder()
    x = normal(2, 4)
    model(x)

    wrapped = kprune.prune(model, "magnitude", 0.5)

    assert list(kprune.get_masks(wrapped)) == [
        "parts/0/kernel",
        "parts/1/x/0/0/kernel",
    ]
    assert isinstance(wrapped.parts, Parts)
    assert_same(kprune.strip(wrapped)(x), wrapped(x))


def test_model_whose_config_lacks_its_arguments_is_refused():
    class Forgetful(keras.Model):
        def __init__(self, rate=0.1):
            super().__init__()
            self.dense, self.drop = layers.Dense(3), layers.Dropout(rate)

        def call(self, x, training=None):
            return self.drop(self.dense(x), training=training)

    model = Forgetful()
    model(normal(2, 4))
    assert_same(kprune.wrap(model)(normal(2, 4)), model(normal(2, 4)))
    # Keras would save and copy it as one of less dropout.
    model = Forgetful(0.5)
    model(normal(2, 4))
    with pytest.raises(ValueError, match="The copy has other outputs"):
        kprune.wrap(model)
    assert kprune.wrap(model, inplace=True) is model


def test_two_classes_of_the_same_program_load_as_what_they_were(tmp_path):
    @keras.saving.register_keras_serializable("tests")
    class Other(Net):
        def call(self, x, training=None):
            return 2 * super().call(x)

    x = normal(2, 4)
    other = Other(5)
    other(x)
    for i, model in enumerate((net(), other)):
        kprune.wrap(model).save(tmp_path / f"{i}.keras")

    assert (
        type(kprune.strip(keras.models.load_model(tmp_path / "0.keras"))) is Net
    )
    assert (
        type(kprune.strip(keras.models.load_model(tmp_path / "1.keras")))
        is Other
    )


# A Functional model of a class of one's own.


@keras.saving.register_keras_serializable("tests")
class Counted(keras.Model):
    """Used as `Counted(inputs, outputs)`, with a train step of its own."""

    def train_step(self, data):
        self.steps = getattr(self, "steps", 0) + 1
        return super().train_step(data)


@keras.saving.register_keras_serializable("tests")
class CountedSequential(keras.Sequential):
    def train_step(self, data):
        self.steps = getattr(self, "steps", 0) + 1
        return super().train_step(data)


@keras.saving.register_keras_serializable("tests")
class Built(keras.Model):
    """A graph that the constructor makes and whose parts it holds."""

    def __init__(self, units, **kwargs):
        i = keras.Input((4,))
        block = keras.Sequential(
            [layers.Dense(units), layers.BatchNormalization()]
        )
        head = layers.Dense(2)
        x = layers.Dropout(0.5)(block(layers.Dense(units, name="first")(i)))
        super().__init__(inputs=i, outputs=head(x), **kwargs)
        self.units, self.head, self.steps = units, head, 0

    def train_step(self, data):
        self.steps += 1
        return super().train_step(data)

    def get_config(self):
        return {"units": self.units, "name": self.name}


@keras.saving.register_keras_serializable("tests")
class BuiltSequential(keras.Sequential):
    def __init__(self, units, **kwargs):
        super().__init__(
            [keras.Input((4,)), layers.Dense(units), layers.Dense(2)], **kwargs
        )
        self.units, self.steps = units, 0

    def train_step(self, data):
        self.steps += 1
        return super().train_step(data)

    def get_config(self):
        return {"units": self.units, "name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def counted():
    i = keras.Input((4,))
    return Counted(i, layers.Dense(2)(layers.Dense(5)(i)))


def counted_sequential():
    return CountedSequential(
        [keras.Input((4,)), layers.Dense(5), layers.Dense(2)]
    )


@pytest.mark.parametrize(
    "build",
    [counted, counted_sequential, lambda: Built(5), lambda: BuiltSequential(5)],
    ids=["functional", "sequential", "own_functional", "own_sequential"],
)
def test_graph_of_an_own_class_keeps_it(build, tmp_path):
    model = build()
    x, y = normal(4, 4), normal(4, 2)
    expected, variables = model(x), len(model.variables)

    assert_same(kprune.wrap(model)(x), expected)
    pruned = kprune.prune(model, "magnitude", 0.5)
    assert isinstance(pruned, type(model))
    assert len(values(pruned)) == variables
    pruned.compile("sgd", "mse")
    pruned.fit(x, y, verbose=0)
    assert pruned.steps == 1
    assert not pruned_values(pruned).any()
    assert pruned_values(pruned).size
    if isinstance(model, Built):
        assert isinstance(pruned.head, kprune.Masked)
        assert pruned.head is pruned.layers[-1]

    pruned.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, type(model))
    assert_same(loaded(x), pruned(x))
    assert_same(kprune.get_masks(loaded), kprune.get_masks(pruned))
    stripped = kprune.strip(loaded)
    assert type(stripped) is type(model)
    assert_same(stripped(x), pruned(x))
    assert [w.name for w in weights.find(stripped)] == [
        w.name for w in weights.find(model)
    ]


def test_graph_of_an_own_class_inside_of_a_graph_keeps_it(tmp_path):
    i = keras.Input((4,))
    model = keras.Model(
        i,
        layers.Dense(2)(
            BuiltSequential(5)(Built(4)(i) @ np.ones((2, 4), "float32"))
        ),
    )
    x = normal(4, 4)
    pruned = kprune.prune(model, "magnitude", 0.5)
    pruned.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")

    assert_same(loaded(x), pruned(x))
    assert_same(kprune.strip(loaded)(x), pruned(x))
    kinds = [type(layer) for layer in kprune.strip(loaded).layers]
    assert Built in kinds and BuiltSequential in kinds
    assert len(kprune.get_masks(pruned)) == 6


def test_model_that_draws_at_random_by_itself_is_not_mistaken():
    class Noisy(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, x):
            return self.dense(x) + tf.random.normal((2, 3))

    model = Noisy()
    model(normal(2, 4))

    assert len(kprune.get_masks(kprune.wrap(model))) == 1


def test_copies_belong_to_the_strategy_of_the_model():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        model = two_layers()
        model.compile("adam", "mse")

    wrapped = kprune.wrap(model)
    assert wrapped.distribute_strategy is strategy
    assert wrapped.optimizer._distribution_strategy is strategy
    with strategy.scope():
        assert kprune.wrap(model).distribute_strategy is strategy
        assert kprune.strip(wrapped).distribute_strategy is strategy
    # What is saved or served is of this process alone.
    assert kprune.strip(wrapped).distribute_strategy is not strategy


def test_pruned_part_of_a_new_model():
    part = kprune.prune(two_layers(), "magnitude", 0.5)
    i = keras.Input((3, 4))
    h = layers.TimeDistributed(part, name="each")(i)
    h = layers.Dense(2, name="head")(layers.Flatten()(h))
    model, x = keras.Model(i, h), normal(2, 3, 4)

    wrapped = kprune.wrap(model)
    assert_same(wrapped(x), model(x))
    masks = kprune.get_masks(wrapped)
    assert list(masks) == [
        "each/layer/a/kernel",
        "each/layer/b/kernel",
        "head/kernel",
    ]
    for name, mask in kprune.get_masks(part).items():
        assert_same(masks[f"each/layer/{name}"], mask)
    stripped = kprune.strip(model)
    assert_same(stripped(x), model(x))
    assert wrapping.wrappers(stripped) == []


def test_sequential_of_a_list_of_inputs():
    model = keras.Sequential([layers.Concatenate(), layers.Dense(3)])
    x = [normal(2, 3), normal(2, 4)]
    model(x)

    pruned = kprune.prune(model, "magnitude", 0.5)
    assert not pruned_values(pruned).any()
    assert_same(kprune.strip(pruned)(x), pruned(x))


@pytest.mark.parametrize("build", [two_layers, net], ids=["graph", "net"])
def test_copies_compute_in_the_precision_of_the_model(build):
    keras.config.set_dtype_policy("mixed_float16")
    model = build()
    keras.config.set_dtype_policy("float32")

    wrapped = kprune.wrap(model)
    for copy in (wrapped, kprune.strip(wrapped)):
        assert copy(normal(2, 4)).dtype == "float16"
        copy.compile("adam", "mse")  # Keras scales the loss of such a model.
        assert isinstance(copy.optimizer, keras.optimizers.LossScaleOptimizer)
    assert keras.config.dtype_policy().name == "float32"


def test_layer_with_a_part_that_is_never_used(tmp_path):
    @keras.saving.register_keras_serializable("tests")
    class Spare(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.used, self.unused = layers.Dense(3), layers.Dense(9)

        def build(self, shape):
            self.used.build(shape)

        def call(self, x):
            return self.used(x)

    @keras.saving.register_keras_serializable("tests")
    class Holder(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.spare = Spare()

        def call(self, x):
            return self.spare(x)

    graph, holder = keras.Sequential([keras.Input((4,)), Spare()]), Holder()
    x = normal(2, 4)
    holder(x)
    for model in (graph, holder):
        pruned = kprune.prune(model, "magnitude", 0.5)
        assert pruned_values(pruned).size == 6
        pruned.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        assert_same(kprune.get_masks(loaded), kprune.get_masks(pruned))
        assert_same(kprune.strip(loaded)(x), pruned(x))
