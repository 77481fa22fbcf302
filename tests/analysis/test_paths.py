"""Which kept weights lie on a path from an input to an output."""

import gc
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from lifecycle import assert_same, unchanged
from networks import sequential
from tensorflow.python.framework import func_graph

import kprune
from kprune.analysis.report import report
from kprune.graph.paths import find

layers = keras.layers


def masked(model, **masks):
    """Wraps a model and sets masks by the layers' names."""
    model = kprune.wrap(model)
    masks = {f"{name}/kernel": mask for name, mask in masks.items()}
    kprune.set_masks(model, masks)
    return model


def on_path(model):
    """Returns the entries on a path and the kept ones, by weight."""
    variables = {w.name: w.variable for w in kprune.masking.weights.find(model)}
    kept = kprune.get_masks(model)
    return find(model, variables, kept), kept


def effective(model, **options):
    measured = report(model, multiply_adds=False, **options)
    assert measured.unfollowed is None
    return {r.name.partition("/")[0]: r.effective_kept for r in measured.rows}


def why_not(model, **options):
    measured = report(model, multiply_adds=False, **options)
    assert measured.effective_kept is measured.effective_sparsity is None
    assert {row.effective_kept for row in measured.rows} == {None}
    return measured.unfollowed


def mlp(*units, **options):
    names = (f"fc{i}" for i in range(1, len(units)))
    sized = zip(units[1:], names, strict=True)
    stack = [layers.Dense(n, name=name, **options) for n, name in sized]
    return sequential(units[:1], *stack)


def test_units_without_inputs_or_outputs():
    model = masked(
        mlp(2, 3, 2, activation="relu"),
        fc1=[[1, 0, 1], [1, 0, 0]],
        fc2=[[0, 0], [1, 0], [1, 0]],
    )
    model.layers[0].layer.bias.assign([1.0, 1.0, 1.0])
    # Hidden unit 0 has two inputs and no output, unit 1 an output and no
    # input (its bias makes no path). What is left is input 0 -> unit 2 ->
    # output 0: one weight in each layer.
    measured = report(model, multiply_adds=False)
    a, b = measured.rows
    assert (a.kept, a.effective_kept, a.total) == (3, 1, 6)
    assert (b.kept, b.effective_kept, b.total) == (2, 1, 6)
    assert (measured.effective_kept, measured.sparsity) == (2, 7 / 12)
    assert measured.effective_sparsity == 10 / 12
    # Neither unit is dead to a look at one layer alone: fc1 has no entry of
    # unit 1 left, fc2 none from unit 0.
    assert (a.dead_outputs, b.dead_inputs) == (1, 1)


@pytest.mark.parametrize("sparsity", [0.5, 0.8, 0.9, 0.95])
def test_agrees_with_a_search_of_all_units(sparsity):
    rng, units = np.random.default_rng(0), (20, 15, 12, 9, 3)
    model = mlp(*units, activation="softmax")
    shapes = enumerate(itertools.pairwise(units), 1)
    masks = {f"fc{i}": rng.random(shape) > sparsity for i, shape in shapes}
    # Whether a unit is reached, from the inputs and from the outputs.
    reached = [np.ones(units[0], bool)]
    for mask in masks.values():
        reached.append(reached[-1] @ mask)
    leads = [np.ones(units[-1], bool)]
    for mask in reversed(masks.values()):
        leads.insert(0, mask @ leads[0])
    found, _ = on_path(masked(model, **masks))
    for i, mask in enumerate(masks.values(), 1):
        expected = reached[i - 1][:, None] & mask & leads[i]
        np.testing.assert_array_equal(found[f"fc{i}/kernel"], expected)


def conv_net():
    """All kinds of convolutions, around a skip and into a dense layer.

    Named, as random masks are drawn by the names.
    """
    plain = {"use_bias": False, "activation": "relu"}
    same = {"padding": "same", **plain}
    inputs = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, name="a", **same)(inputs)
    y = layers.DepthwiseConv2D(3, strides=2, name="b", **same)(x)
    y = layers.SeparableConv2D(4, 3, name="c", **same)(y)
    y = layers.Conv2DTranspose(4, 2, strides=2, name="d", **plain)(y)
    x = layers.Concatenate()([layers.Add()([x, y]), inputs])
    x = layers.AveragePooling2D(2)(x)
    x = layers.Conv2D(4, 3, dilation_rate=2, name="e", **same)(x)
    return keras.Model(inputs, layers.Dense(3, name="f")(layers.Flatten()(x)))


@pytest.mark.parametrize("sparsity", [0.7, 0.95])
def test_agrees_with_the_gradient_of_a_positive_network(float64, sparsity):
    # In a network of positive weights without biases the outputs grow with a
    # weight exactly if it is on a path.
    options = {"on_collapse": "ignore", "seed": 1}
    model = kprune.prune(conv_net(), "random", sparsity, **options)
    found, kept = on_path(model)
    for variable in model.trainable_variables:
        value = abs(variable) + 1.0 if variable.ndim > 1 else 0.0 * variable
        variable.assign(value)
    weights = {w.name: w.variable for w in kprune.masking.weights.find(model)}
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(model(np.ones((1, 6, 6, 2))))
    gradients = tape.gradient(total, [v.value for v in weights.values()])
    total_found = sum(mask.sum() for mask in found.values())
    assert total_found > 0
    assert total_found < sum(mask.sum() for mask in kept.values())
    for name, gradient in zip(weights, gradients, strict=True):
        np.testing.assert_array_equal(
            found[name], kept[name] & (np.asarray(gradient) > 0), name
        )


def test_what_is_on_no_path_changes_no_output():
    model = kprune.prune(kprune.models.lenet5(seed=0), "magnitude", 0.99)
    found, kept = on_path(model)
    x = np.random.default_rng(0).normal(size=(4, 28, 28, 1))
    before = model(x)
    gone = sum(int((kept[name] & ~found[name]).sum()) for name in kept)
    assert gone > 500
    assert np.abs(before).max() > 0.01
    kprune.set_masks(model, found)
    np.testing.assert_allclose(model(x), before, rtol=0, atol=1e-6)


def residual():
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(3, 1, name="first")(inputs)
    y = layers.Conv2D(3, 1, name="branch1")(x)
    y = layers.BatchNormalization()(y)
    y = layers.Conv2D(3, 1, name="branch2")(y)
    x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(2, name="fc")(x))


def test_a_skip_leads_around_an_emptied_layer():
    model = masked(residual(), branch2=np.zeros((1, 1, 3, 3)))
    # The branch ends in nothing: 9 weights of branch1 are in vain, and those
    # of the 2 x 3 first and the 3 x 2 last layer are not.
    kept = {"first": 6, "branch1": 0, "branch2": 0, "fc": 6}
    assert effective(model) == kept
    assert report(model).collapsed == ("branch2/kernel",)
    # Around the first layer leads nothing.
    model = masked(residual(), first=np.zeros((1, 1, 2, 3)))
    assert set(effective(model).values()) == {0}
    assert report(model).effective_sparsity == 1.0


def test_positions_stay_apart_through_a_flatten():
    keep = np.zeros((8, 1))
    keep[:2] = 1  # Both channels of the first of 2 x 2 positions.
    model = sequential(
        (2, 2, 1),
        layers.Conv2D(2, 2, padding="same", name="conv"),
        layers.Flatten(),
        layers.Dense(1, name="fc"),
    )
    # At the first position all four taps of the window lie on the image.
    assert effective(masked(model, fc=keep)) == {"conv": 8, "fc": 2}
    # At the last, one does, as Keras pads after the end.
    assert effective(masked(model, fc=keep[::-1])) == {"conv": 2, "fc": 2}


@pytest.mark.parametrize(
    "pool", [layers.MaxPooling2D(), layers.GlobalMaxPooling2D()]
)
def test_all_of_a_pools_window_leads_on(pool):
    inputs = keras.Input((2, 2, 1))
    x = layers.ZeroPadding2D(((1, 0), (1, 0)))(inputs)
    x = layers.Conv2D(1, 2, name="conv")(x)
    first = layers.Cropping2D(((0, 1), (0, 1)))(inputs)
    first = layers.ZeroPadding2D(((0, 1), (0, 1)))(first)
    x = layers.Flatten()(pool(layers.Add()([x, first])))
    model = keras.Model(inputs, layers.Dense(1, name="fc")(x))
    # Tap (0, 0) meets the image at the last of the 2 x 2 positions alone. A
    # maximum would pass its gradient to the first, where two paths arrive.
    assert effective(kprune.wrap(model)) == {"conv": 4, "fc": 1}


def test_taps_that_only_meet_the_padding_are_on_no_path():
    model = sequential(
        (1, 1, 2), layers.Conv2D(3, 3, padding="same", name="conv")
    )
    # On a 1x1 map only the middle tap of 3x3 meets the image.
    assert effective(model) == {"conv": 6}
    assert report(model).sparsity == 0.0
    assert report(model).effective_sparsity == 8 / 9


def test_the_channels_of_a_depthwise_convolution_stay_apart():
    depthwise = layers.DepthwiseConv2D(3, depth_multiplier=2, name="b")
    a, c = layers.Conv2D(2, 1, name="a"), layers.Conv2D(1, 1, name="c")
    model = masked(
        sequential((3, 3, 2), a, depthwise, c),
        a=np.reshape([1, 0, 1, 0], (1, 1, 2, 2)),
        c=np.reshape([1, 0, 1, 1], (1, 1, 4, 1)),
    )
    # a feeds channel 0 only, which b makes into 0 and 1, of which c takes 0.
    assert effective(model) == {"a": 2, "b": 9, "c": 1}


def test_groups_of_channels_stay_apart():
    stack = (
        layers.Conv2D(2, 3, groups=2, name="a"),
        layers.Conv2D(1, 1, name="b"),
    )
    model = sequential((3, 3, 4), *stack)
    model = masked(model, b=np.reshape([1, 0], (1, 1, 2, 1)))
    # Filter 0 sees two of the four channels: 9 x 2 weights.
    assert effective(model) == {"a": 18, "b": 1}


def test_channels_first():
    stack = [
        layers.Conv2D(2, 2, data_format="channels_first", name="conv"),
        layers.GlobalMaxPooling2D(data_format="channels_first"),
        layers.Dense(1, name="fc"),
    ]
    model = masked(sequential((3, 4, 5), *stack), fc=[[1], [0]])
    assert effective(model) == {"conv": 12, "fc": 1}


def test_any_row_of_an_embedding_may_be_looked_up():
    model = sequential(
        (5,),
        layers.Embedding(7, 3, mask_zero=True, name="embed"),
        layers.GlobalAveragePooling1D(),
        layers.Dense(2, name="fc"),
    )
    model = masked(model, fc=[[1, 1], [0, 0], [0, 1]])
    # Columns 0 and 2 of all seven rows.
    assert effective(model) == {"embed": 14, "fc": 3}


def test_a_layer_called_twice_is_on_a_path_by_either_call():
    shared = layers.Dense(2, name="shared")
    inputs = [keras.Input((2,)), keras.Input((2,))]
    joined = layers.Concatenate()([shared(x) for x in inputs])
    model = keras.Model(inputs, layers.Dense(1, name="fc")(joined))
    # Unit 0 leads on from the first call, unit 1 from the second.
    both = masked(model, fc=[[1], [0], [0], [1]])
    assert effective(both) == {"shared": 4, "fc": 2}
    one = masked(model, fc=[[1], [0], [1], [0]])
    assert effective(one) == {"shared": 2, "fc": 2}


def test_a_gate_leads_on_and_constants_lead_nowhere():
    inputs = keras.Input((2,))
    x = layers.Dense(3, name="a")(inputs / 255.0) + 1.0
    gate = keras.ops.sigmoid(layers.Dense(3, name="gate")(x))
    outputs = keras.ops.softmax(layers.Dense(2, name="b")(x * gate))
    model = keras.Model(inputs, outputs)
    assert effective(model) == {"a": 6, "gate": 9, "b": 6}
    empty = masked(model, a=np.zeros((2, 3)))
    assert set(effective(empty).values()) == {0}


def test_weights_left_out_of_the_pruning_take_part():
    model = mlp(2, 3, 2)
    model.layers[0].kernel.assign([[1, 0, 1], [1, 0, 1]])
    model.layers[0].trainable = False
    measured = report(kprune.wrap(model))
    a, b = measured.rows
    # The frozen layer feeds two of three units; only fc2 counts.
    assert (a.skipped, a.effective_kept, b.effective_kept) == ("frozen", 4, 4)
    assert measured.effective_kept == 4
    assert measured.effective_sparsity == 2 / 6


def test_a_stripped_model_has_the_same_paths():
    model = kprune.prune(residual(), "random", 0.7)
    plain = effective(kprune.strip(model))
    assert effective(model) == plain
    assert 0 < sum(plain.values()) < report(model).kept


def test_nothing_overflows_or_vanishes_in_a_deep_model():
    # 200 units in each of 24 layers make 200^25 = 1e57 paths.
    model = mlp(*[200] * 25)
    measured = report(model, multiply_adds=False)
    assert measured.effective_kept == measured.total == 24 * 200 * 200
    # One unit of 200 leads on in each of 24 layers: a share of 200^-24 = 1e-55.
    one = np.zeros((200, 200), bool)
    one[0] = True
    found = effective(masked(model, **{f"fc{i}": one for i in range(1, 25)}))
    assert found.pop("fc24") == 200
    assert set(found.values()) == {1}


@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16", "float64"])
def test_precision_of_the_model_does_not_matter(policy):
    keras.config.set_dtype_policy(policy)
    model = masked(mlp(2, 3, 2), fc1=[[1, 0, 1], [1, 0, 1]])
    assert effective(model) == {"fc1": 4, "fc2": 4}


class Block(layers.Layer):
    """relu(x + b(a(x))), with what else `after` makes of it."""

    def __init__(self, after=None, **kwargs):
        super().__init__(**kwargs)
        self.a = layers.Dense(3, activation="gelu", name="a")
        self.b = layers.Dense(3, name="b")
        self.after = after

    def call(self, inputs):
        x = tf.nn.relu(inputs + self.b(self.a(inputs)))
        return x if self.after is None else self.after(x)


@keras.saving.register_keras_serializable("test_paths")
class Net(keras.Model):
    def __init__(self, after=None):
        super().__init__(name="net")
        self.first = layers.Dense(3, name="first")
        self.block = Block(after, name="block")
        self.unused = layers.Dense(3, name="unused")
        self.unused.build((None, 3))

    def get_config(self):
        return {"after": self.block.after}

    def call(self, inputs):
        return tf.concat([self.block(self.first(inputs)), inputs], axis=-1)


def net(after=None):
    model = Net(after)
    model(np.zeros((1, 2)))
    return model


def test_subclassed_model():
    measured = report(masked(net(), **{"block/a": np.diag([1, 0, 0])}))
    assert measured.unfollowed is None
    # All of first, by the skip; a's one weight and b's row of that unit; a
    # layer that is never called leads nowhere.
    assert {row.name: row.effective_kept for row in measured.rows} == {
        "first/kernel": 6,
        "block/a/kernel": 1,
        "block/b/kernel": 3,
        "unused/kernel": 0,
    }


@pytest.mark.parametrize(
    "after, operation",
    [
        (tf.nn.softmax, "Softmax"),
        (lambda x: 2.0 * x, "Mul"),
        (lambda x: x - 1.0, "Sub"),
        # Allowed between activations, but a constant looks like a path.
        (lambda x: x + 1.0, "AddV2"),
        (lambda x: x + tf.cast(x > 0, "float32"), "Greater"),
        (lambda x: tf.maximum(x, x[:, ::-1]), "Maximum"),
    ],
)
def test_operations_between_layers_that_hide_paths(after, operation):
    assert why_not(net(after)) == (
        f"no paths are known through the operation {operation} in layer "
        "'block' of class Block"
    )


class Scale(layers.Layer):
    """A layer of one's own with a weight."""

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), name="scale")

    def call(self, inputs):
        return inputs * self.scale


class Standardized(layers.Dense):
    """A known class that computes with other weights than it holds."""

    def call(self, inputs):
        return inputs @ (self.kernel - keras.ops.mean(self.kernel))


@pytest.mark.parametrize(
    "shape, layer, name",
    [
        ((3,), Scale(), "Scale"),
        ((3,), Standardized(2), "Standardized"),
        ((4, 3), layers.LSTM(2), "LSTM"),
        ((4, 3), layers.Bidirectional(layers.GRU(2)), "GRU"),
        ((4, 4, 1), layers.ConvLSTM1D(2, 2), "ConvLSTM1D"),
    ],
)
def test_layers_with_weights_that_are_not_known(shape, layer, name):
    stack = layer, layers.Flatten(), layers.Dense(2)
    reason = why_not(sequential(shape, *stack))
    assert reason.startswith("no paths are known through layer '")
    assert reason.endswith(f"' of class {name}")


def test_attention_is_not_known():
    inputs = keras.Input((5, 4))
    x = layers.MultiHeadAttention(2, 3, name="mha")(inputs, inputs)
    assert why_not(keras.Model(inputs, layers.Dense(2)(x))) == (
        "no paths are known through the operation Einsum in layer "
        "'mha' of class MultiHeadAttention"
    )


def test_open_input_shape():
    model = sequential((None, None, 1), layers.Conv2D(2, 3, name="conv"))
    assert "open, pass `inputs=`" in why_not(model)
    assert effective(model, inputs=np.ones((2, 4, 4, 1))) == {"conv": 18}
    assert why_not(model, paths=False) == "not asked for"


def test_nothing_of_the_model_changes():
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(3, 3, activation="relu")(inputs / 2.0)
    x = layers.Dropout(0.5)(layers.BatchNormalization()(x))
    outputs = layers.Dense(2, activation="softmax")(layers.Flatten()(x * x))
    model = kprune.prune(keras.Model(inputs, outputs), "magnitude", 0.5)
    model.compile("adam", "mse")
    data = np.ones((3, 4, 4, 2), "float32")
    model(data, training=True)  # Draws from seeds.
    attributes = [set(vars(one)) for one in model.operations]
    expected = model(data).numpy()
    with unchanged(model):
        assert report(model).effective_kept > 0
    assert_same(model(data), expected)
    assert [set(vars(one)) for one in model.operations] == attributes


def test_tracing_leaves_no_graph_behind():
    class Halves(layers.Layer):
        def call(self, inputs):
            return inputs / 2

    stack = layers.Dense(3), Halves(), layers.Dense(2)
    model = sequential((4,), *stack)
    counts = []
    for _ in range(3):
        kprune.report(model)
        gc.collect()
        found = (
            isinstance(one, func_graph.FuncGraph) for one in gc.get_objects()
        )
        counts.append(sum(found))
    assert counts[0] == counts[2]
