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
    saved_and_loaded,
    two_layers,
    values,
)
from networks import sequential

import kprune
from kprune.masking import weights, wrapping

serializable = keras.saving.register_keras_serializable("tests")


class Holder(keras.Model):
    """A subclassed model of what `make` returns."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.held = self.make()

    def call(self, x):
        return self.held(x)


def pruned(model, **options):
    return kprune.prune(model, "magnitude", 0.5, **options)


def test_to_wrap_or_strip_twice_is_to_do_it_once():
    once = pruned(two_layers(), exclude="b")
    twice = kprune.wrap(once)
    assert_same(kprune.get_masks(twice), kprune.get_masks(once))
    assert_same(values(twice), values(once))
    assert [w.note for w in weights.find(twice)] == [None, "excluded"]
    assert len(wrapping.wrappers(twice)) == 2
    assert twice is not once
    stripped = kprune.strip(once)
    twice = kprune.strip(stripped)
    assert_same(twice.get_weights(), stripped.get_weights())
    assert [type(x) for x in twice.layers] == [layers.Dense] * 2
    assert twice.name == once.name


def test_weights_frozen_before_have_no_mask_those_after_keep_theirs(tmp_path):
    model = two_layers()
    model.get_layer("a").trainable = False
    frozen = model.get_layer("a").get_weights()
    masked = pruned(model)
    assert list(kprune.get_masks(masked)) == ["b/kernel"]
    assert_same(masked.get_layer("a").get_weights(), frozen)
    masked.get_layer("b").trainable = False
    again = kprune.wrap(masked)
    assert_same(kprune.get_masks(again), kprune.get_masks(masked))
    assert again.trainable_variables == []
    loaded = saved_and_loaded(masked, tmp_path)
    assert_same(kprune.get_masks(loaded), kprune.get_masks(masked))


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

    class Whole(Holder):
        make = Part

    model = Whole()
    model(normal(2, 4))
    model.held.norm.trainable = False
    trained = [v.name for v in model.trainable_variables]
    wrapped = kprune.wrap(model)
    for copy in (wrapped, kprune.wrap(wrapped), kprune.strip(wrapped)):
        assert [v.name for v in copy.trainable_variables] == trained


def test_layer_held_by_two_others_has_one_mask():
    @serializable
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

    model, x = Tied(), np.array([[1, 2], [3, 4]])
    model(x)
    for keep in (False, True):
        wrapped = kprune.wrap(model, keep_pruned_values=keep)
        mask = checkerboard(7, 3)
        kprune.set_masks(wrapped, {"embedding/embeddings": mask})
        table = np.where(mask, values(model)[0], 0)
        # Both uses of the table are of the masked one.
        np.testing.assert_allclose(wrapped(x), table[x] @ table.T, rtol=1e-5)
        assert len(kprune.get_masks(wrapped)) == 1
        assert_same(kprune.strip(wrapped)(x), wrapped(x), 1e-6)


def test_layer_shared_with_a_nested_graph_has_one_mask():
    i, shared = keras.Input((4,)), layers.Dense(4, name="shared")
    block = sequential((4,), shared)
    wrapped = pruned(keras.Model(i, block(layers.ReLU()(shared(i)))))
    assert list(kprune.get_masks(wrapped)) == ["shared/kernel"]
    x = normal(2, 4)
    assert_same(kprune.strip(wrapped)(x), wrapped(x))


def opaque():
    class Opaque(layers.Layer):
        def __init__(self, table):
            super().__init__()
            self.table = table

        def call(self, x):
            return x * self.table

    return sequential((4,), Opaque(np.ones(4)), layers.Dense(2))


def shared_with_a_part_of_a_layer():
    i, shared = keras.Input((5, 4)), layers.Dense(4)
    return keras.Model(i, layers.TimeDistributed(shared)(shared(i)))


@pytest.mark.parametrize(
    "build, message",
    [
        (opaque, "of class Opaque cannot be copied"),
        (shared_with_a_part_of_a_layer, "2 variables, its copy 4"),
    ],
)
def test_what_a_config_cannot_tell_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        kprune.wrap(build())


def test_compiled_alike():
    def own_loss(y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred))

    model = two_layers()
    sgd = keras.optimizers.SGD(0.25, momentum=0.5)
    model.compile(sgd, own_loss, metrics=["mae"], run_eagerly=True)
    x, y = normal(4, 4), normal(4, 2)
    expected = model.evaluate(x, y, verbose=0)
    for copy in (kprune.wrap(model), kprune.strip(kprune.wrap(model))):
        assert copy.optimizer is not model.optimizer
        assert copy.optimizer.get_config() == model.optimizer.get_config()
        assert_same(copy.evaluate(x, y, verbose=0), expected)
    assert model.optimizer.iterations == 0


def test_compile_that_cannot_be_carried_warns():
    class Loss(keras.losses.Loss):
        def __init__(self, weight):
            super().__init__()

        def call(self, y_true, y_pred):
            return ops.abs(y_true - y_pred)

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

    factor, x = 3.0, normal(2, 4)
    model = sequential(
        (4,),
        layers.Lambda(lambda x: factor * np.float32(1) * x),
        layers.Dense(4, activation=lambda x: x - 1),
        layers.Dense(4, activation=relu, kernel_initializer=Ones()),
        Scale(),
        layers.Dense(2),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wrapped = kprune.wrap(model)
        stripped = kprune.strip(wrapped)
    assert_same([wrapped(x), stripped(x)], [model(x)] * 2)
    assert relu.__name__ == "relu"
    assert stripped.layers[1].activation.__name__ == "<lambda>"


class Counting:
    """Counts how often its train step is taken."""

    steps = 0

    def train_step(self, data):
        self.steps += 1
        return super().train_step(data)


@serializable
class Net(Counting, keras.Model):
    """A subclassed model with a train step of its own."""

    def __init__(self, units, rate=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units, self.rate = units, rate
        self.hidden = [layers.Dense(units), layers.Dense(units)]
        self.drop, self.head = layers.Dropout(rate), layers.Dense(2)

    def call(self, x, training=None):
        for layer in self.hidden:
            x = self.drop(ops.relu(layer(x)), training=training)
        return self.head(x)

    def get_config(self):
        config = {"units": self.units, "rate": self.rate}
        return {**super().get_config(), **config}


def net():
    model = Net(5, rate=0.25)
    model(normal(2, 4))
    return model


def test_subclassed_model_keeps_its_class_and_train_step():
    model, data = net(), (normal(8, 4), normal(8, 2))
    wrapped = kprune.prune(model, "snip", 0.5, data=data, loss="mse")
    assert isinstance(wrapped, Net)
    assert type(wrapped).__name__ == "Net"
    assert type(model) is Net and type(model.head) is layers.Dense
    wrapped.compile("sgd", "mse", run_eagerly=True)
    wrapped.train_on_batch(*data)
    assert wrapped.steps == 1
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
    assert pruned(model, inplace=True) is model
    model.fit(x, y, verbose=0)
    assert pruned_values(model).size == 27  # Of 20 + 25 + 10.
    assert not pruned_values(model).any()
    stripped = kprune.strip(model)
    assert type(stripped) is Net
    assert_same(stripped(x), model(x))
    with pytest.raises(ValueError, match="`inplace=True` is for subclassed"):
        kprune.wrap(two_layers(), inplace=True)


def test_named_tuples_and_nested_containers_are_wrapped():
    Parts = collections.namedtuple("Parts", ["first", "last"])

    class Parted(Holder):
        def make(self):
            return Parts(layers.Dense(3), {"x": [(layers.Dense(2),)]})

        def call(self, x):
            return self.held.last["x"][0][0](self.held.first(x))

    model, x = Parted(), normal(2, 4)
    model(x)
    wrapped = pruned(model)
    names = ["held/0/kernel", "held/1/x/0/0/kernel"]
    assert list(kprune.get_masks(wrapped)) == names
    assert isinstance(wrapped.held, Parts)
    assert_same(kprune.strip(wrapped)(x), wrapped(x))


def test_model_whose_config_lacks_its_arguments_is_refused():
    class Forgetful(keras.Model):
        def __init__(self, rate=0.1):
            super().__init__()
            self.dense, self.drop = layers.Dense(3), layers.Dropout(rate)

        def call(self, x, training=None):
            return self.drop(self.dense(x), training=training)

    model, x = Forgetful(), normal(2, 4)
    model(x)
    assert_same(kprune.wrap(model)(x), model(x))
    # Keras would save and copy it as one of less dropout.
    model = Forgetful(0.5)
    model(x)
    with pytest.raises(ValueError, match="has other outputs"):
        kprune.wrap(model)
    assert kprune.wrap(model, inplace=True) is model


@serializable
class Counted(Counting, keras.Model):
    """Used as `Counted(inputs, outputs)`."""


@serializable
class CountedSequential(Counting, keras.Sequential):
    """Used as `CountedSequential(layers)`."""


class OfUnits(Counting):
    def get_config(self):
        return {"units": self.units, "name": self.name}


@serializable
class Built(OfUnits, keras.Model):
    """A graph that the constructor makes and whose parts it holds."""

    def __init__(self, units, **kwargs):
        i = keras.Input((4,))
        block = [layers.Dense(units), layers.BatchNormalization()]
        x = keras.Sequential(block)(layers.Dense(units, name="first")(i))
        head = layers.Dense(2)
        outputs = head(layers.Dropout(0.5)(x))
        super().__init__(inputs=i, outputs=outputs, **kwargs)
        self.units, self.head = units, head


@serializable
class BuiltSequential(OfUnits, keras.Sequential):
    def __init__(self, units, **kwargs):
        stack = [keras.Input((4,)), layers.Dense(units), layers.Dense(2)]
        super().__init__(stack, **kwargs)
        self.units = units

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@pytest.mark.parametrize(
    "cls", [Counted, CountedSequential, Built, BuiltSequential]
)
def test_graph_of_an_own_class_keeps_it(cls, tmp_path):
    i, x = keras.Input((4,)), normal(4, 4)
    stack = [i, layers.Dense(5), layers.Dense(2)]
    if cls is Counted:
        model = cls(i, stack[2](stack[1](i)))
    else:
        model = cls(stack if cls is CountedSequential else 5)
    assert_same(kprune.wrap(model)(x), model(x))
    masked = pruned(model)
    assert isinstance(masked, type(model))
    assert len(values(masked)) == len(model.variables)
    masked.compile("sgd", "mse", run_eagerly=True)
    masked.train_on_batch(x, normal(4, 2))
    assert masked.steps == 1
    assert not pruned_values(masked).any()
    assert pruned_values(masked).size
    if isinstance(model, Built):
        assert isinstance(masked.head, kprune.Masked)
        assert masked.head is masked.layers[-1]
    loaded = saved_and_loaded(masked, tmp_path)
    assert isinstance(loaded, type(model))
    assert_same(loaded(x), masked(x))
    assert_same(kprune.get_masks(loaded), kprune.get_masks(masked))
    stripped = kprune.strip(loaded)
    assert type(stripped) is type(model)
    assert_same(stripped(x), masked(x))
    names = [w.name for w in weights.find(model)]
    assert [w.name for w in weights.find(stripped)] == names


def test_graph_of_an_own_class_inside_of_a_graph_keeps_it(tmp_path):
    i, x = keras.Input((4,)), normal(4, 4)
    inner = BuiltSequential(5)(Built(4)(i) @ np.ones((2, 4), "float32"))
    masked = pruned(keras.Model(i, layers.Dense(2)(inner)))
    loaded = saved_and_loaded(masked, tmp_path)
    stripped = kprune.strip(loaded)
    assert_same([loaded(x), stripped(x)], [masked(x)] * 2)
    kinds = [type(layer) for layer in stripped.layers]
    assert Built in kinds and BuiltSequential in kinds
    assert len(kprune.get_masks(masked)) == 6


def test_model_that_draws_at_random_by_itself_is_not_mistaken():
    class Noisy(Holder):
        def make(self):
            return layers.Dense(3)

        def call(self, x):
            return self.held(x) + tf.random.normal((2, 3))

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
        for copy in (kprune.wrap(model), kprune.strip(wrapped)):
            assert copy.distribute_strategy is strategy
    # What is saved or served is of this process alone.
    assert kprune.strip(wrapped).distribute_strategy is not strategy


def test_pruned_part_of_a_new_model():
    part, i = pruned(two_layers()), keras.Input((3, 4))
    h = layers.TimeDistributed(part, name="each")(i)
    h = layers.Dense(2, name="head")(layers.Flatten()(h))
    model, x = keras.Model(i, h), normal(2, 3, 4)
    wrapped, stripped = kprune.wrap(model), kprune.strip(model)
    assert_same([wrapped(x), stripped(x)], [model(x)] * 2)
    masks = kprune.get_masks(wrapped)
    names = ["each/layer/a/kernel", "each/layer/b/kernel", "head/kernel"]
    assert list(masks) == names
    for name, mask in kprune.get_masks(part).items():
        assert_same(masks[f"each/layer/{name}"], mask)
    assert wrapping.wrappers(stripped) == []


def test_sequential_of_a_list_of_inputs():
    model = keras.Sequential([layers.Concatenate(), layers.Dense(3)])
    x = [normal(2, 3), normal(2, 4)]
    model(x)
    masked = pruned(model)
    assert_same(kprune.strip(masked)(x), masked(x))


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
    @serializable
    class Spare(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.used, self.unused = layers.Dense(3), layers.Dense(9)

        def build(self, shape):
            self.used.build(shape)

        def call(self, x):
            return self.used(x)

    @serializable
    class OfSpare(Holder):
        make = Spare

    graph, holder, x = sequential((4,), Spare()), OfSpare(), normal(2, 4)
    holder(x)
    for model in (graph, holder):
        masked = pruned(model)
        assert pruned_values(masked).size == 6
        loaded = saved_and_loaded(masked, tmp_path)
        assert_same(kprune.get_masks(loaded), kprune.get_masks(masked))
        assert_same(kprune.strip(loaded)(x), masked(x))


def test_weights_without_a_name_are_copied():
    class Nameless(layers.Layer):  # As ConvNeXt's `LayerScale`.
        def build(self, input_shape):
            self.scale = self.add_weight(shape=(input_shape[-1],))
            self.shift = self.add_weight((input_shape[-1],), "zeros")

        def call(self, x):
            return x * self.scale + self.shift

    model = sequential((3,), Nameless(), layers.Dense(2))
    model.layers[0].set_weights(normal(2, 3))
    x = normal(2, 3)
    np.testing.assert_array_equal(kprune.wrap(model)(x), model(x))


def test_an_input_may_still_be_left_out():
    @serializable
    class Sum(layers.Layer):
        def call(self, x, y=None):
            return x if y is None else x + y

        def compute_output_shape(self, x_shape, y_shape=None):
            return x_shape

    a, b = keras.Input((4,)), keras.Input((4,), optional=True)
    model = keras.Model([a, b], layers.Dense(2)(Sum()(a, b)))
    for x in ([normal(3, 4), None], [normal(3, 4), normal(3, 4)]):
        assert_same(pruned(model)(x).shape, model(x).shape)
        assert_same(kprune.wrap(model)(x), model(x))


def test_tensors_that_a_class_keeps_belong_to_its_graph():
    @serializable
    class Pyramid(keras.Model):
        def __init__(self, filters=4, **kwargs):
            inputs = keras.Input((8, 8, 3))
            first = layers.Conv2D(filters, 3)(inputs)
            second = layers.Conv2D(filters, 3)(first)
            super().__init__(inputs=inputs, outputs=second, **kwargs)
            self.filters, self.levels = filters, {"1": first, "2": [second]}

        def get_config(self):
            return {"filters": self.filters, "name": self.name}

    masked, x = pruned(Pyramid()), normal(2, 8, 8, 3)
    levels = keras.Model(masked.inputs, masked.levels)(x)
    assert_same(levels["2"][0], masked(x))


def test_a_compile_of_its_own_is_not_guessed():
    @serializable
    class Own(keras.Sequential):
        def compile(self, optimizer="sgd", loss=None, weight=1.0, **kwargs):
            super().compile(optimizer, loss or "mse", **kwargs)

    model = Own([keras.Input((4,)), layers.Dense(2)])
    model.compile(weight=2.0)
    with pytest.warns(UserWarning, match="call `compile` again"):
        masked = pruned(model)
    assert not masked.compiled


def test_a_variable_frozen_by_itself_stays_frozen():
    model = sequential((6,), layers.Dense(8), layers.Dense(3))
    first, second = model.layers
    first.kernel.trainable = second.bias.trainable = False
    masked = pruned(model, prove=False)
    assert [w.name for w in weights.find(masked) if w.mask is not None] == [
        f"{second.name}/kernel"
    ]
    trained = [v.name for v in kprune.strip(masked).trainable_variables]
    assert trained == ["bias", "kernel"]


@pytest.mark.parametrize(
    "layer",
    [
        layers.LSTM(3, stateful=True, name="rnn"),
        layers.Bidirectional(layers.GRU(3, stateful=True), name="rnn"),
    ],
)
def test_what_a_recurrent_layer_remembers_goes_with_it(layer):
    given = keras.Input(batch_shape=(2, 4, 3))
    model = keras.Model(given, layers.Dense(2, name="out")(layer(given)))
    x = normal(2, 4, 3)
    model(x)
    wrapped = kprune.wrap(model)
    stripped = kprune.strip(wrapped)
    for _ in range(2):  # From batch to batch.
        expected = model(x)
        assert_same(wrapped(x), expected)
        assert_same(stripped(x), expected)
