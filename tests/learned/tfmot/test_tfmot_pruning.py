"""What the pruning shim promises beside TFMOT's masks."""

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from kprune.tfmot.sparsity import keras as sparsity
from networks import MSE, conv_net, dense_net, sequential, two_replicas

import kprune

layers = keras.layers
EVERY = sparsity.ConstantSparsity(0.5, 1, frequency=1)


def compiled(model, **options):
    model.compile(keras.optimizers.SGD(0.05), MSE, **options)
    return model


def data(inputs=8, outputs=3):
    rng = np.random.RandomState(0)
    x = rng.normal(size=(16, inputs)).astype(np.float32)
    return x, rng.normal(size=(16, outputs)).astype(np.float32)


def fit(model, epochs=1):
    step = sparsity.UpdatePruningStep()
    x, y = data()
    return model.fit(
        x, y, 8, epochs, verbose=0, callbacks=[step], shuffle=False
    )


def kernel(model, name):
    return np.array(model.get_layer(name).kernel.value)


def test_it_is_found_by_both_names():
    named = importlib.import_module("kprune.tfmot.sparsity.keras")
    assert named is kprune.tfmot.sparsity.keras is sparsity
    own = importlib.import_module("kprune.tfmot.clustering.keras")
    assert own is kprune.learned.tfmot.clustering.keras


def test_the_model_that_came_in_stays_as_it_was():
    model = dense_net()
    before = [np.array(v.value) for v in model.variables]
    pruned = compiled(sparsity.prune_low_magnitude(model, EVERY))
    x = data()[0]
    np.testing.assert_array_equal(pruned(x), model(x))
    fit(pruned)
    for value, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(value, np.array(variable.value))
    plain = sparsity.strip_pruning(pruned)
    assert [x.name for x in plain.layers] == [x.name for x in model.layers]
    assert plain.compiled
    for name in ("a", "b"):
        assert np.mean(kernel(plain, name) == 0) == 0.5
    np.testing.assert_allclose(plain(x), pruned(x), rtol=1e-6)


def test_kprune_sees_its_masks():
    pruned = compiled(sparsity.prune_low_magnitude(dense_net(), EVERY))
    fit(pruned)
    masks = kprune.get_masks(pruned)
    assert sorted(masks) == ["a/kernel", "b/kernel"]
    assert kprune.report(pruned).sparsity == 0.5
    dense = sum(v.shape.num_elements() for v in dense_net().weights)
    assert kprune.report(pruned).model_total == dense


def test_nothing_is_pruned_before_the_first_step_that_is_due():
    late = sparsity.ConstantSparsity(0.5, 3, frequency=1)
    pruned = compiled(sparsity.prune_low_magnitude(dense_net(), late))
    with pytest.warns(UserWarning, match="Nothing is pruned after 2 steps"):
        fit(pruned)
    assert kprune.report(pruned).sparsity == 0
    fit(pruned)  # Steps go on where the first training ended.
    assert kprune.report(pruned).sparsity == 0.5
    assert int(pruned.layers[0].pruning_step) == 4


def test_inference_counts_no_step():
    pruned = compiled(sparsity.prune_low_magnitude(dense_net(), EVERY))
    pruned.predict(data()[0], verbose=0)
    pruned.evaluate(*data(), verbose=0)
    assert int(pruned.layers[0].pruning_step) == -1


def test_training_without_the_callback_says_so():
    pruned = compiled(sparsity.prune_low_magnitude(dense_net(), EVERY))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Expected the ca"):
        pruned.fit(*data(), verbose=0)


def test_removed_weights_come_back_that_one_step_moves_far():
    # w = (1, 2): after the first step the lesser is gone; then the gradient
    # of the removed one, x0 (w.x - y), moves it by 0.1 * 100 * ... past 2.
    wrapped = sparsity.prune_low_magnitude(
        layers.Dense(1, use_bias=False), EVERY
    )
    model = keras.Sequential([keras.Input((2,)), wrapped])
    wrapped.set_weights([np.array([[1.0], [2.0]])])
    model.compile(keras.optimizers.SGD(0.1), MSE)
    x, y = np.array([[10.0, 0.0]]), np.array([[10.0]])
    step = sparsity.UpdatePruningStep()
    model.fit(x, y, epochs=1, verbose=0, callbacks=[step])
    # d/dw0 of (0 - 10)^2 is -200, and w0 = 0 + 20; then it is set to zero.
    np.testing.assert_array_equal(wrapped.get_weights()[0], [[0], [2]])
    wrapped.set_weights([np.array([[3.0], [2.0]])])
    model.fit(x, y, epochs=1, verbose=0, callbacks=[step])
    mask = np.array(wrapped.pruning_vars[0][1].value)
    np.testing.assert_array_equal(mask, [[True], [False]])


def test_two_replicas_have_the_masks_of_one():
    def trained(strategy):
        with strategy.scope():
            net = dense_net(norm=False, dropout=0)
            pruned = compiled(sparsity.prune_low_magnitude(net, EVERY))
        fit(pruned, epochs=2)
        return pruned

    one = trained(tf.distribute.get_strategy())
    two = trained(two_replicas())
    masks = kprune.get_masks(two)
    for name, mask in kprune.get_masks(one).items():
        np.testing.assert_array_equal(mask, masks[name])
    for variable in two.variables:
        copies = [np.array(v) for v in variable.value.values]
        np.testing.assert_array_equal(*copies)


@pytest.mark.parametrize("how", [{"jit_compile": True}, {"run_eagerly": True}])
def test_other_ways_to_run_a_step(how):
    net = dense_net(norm=False, dropout=0)
    pruned = compiled(sparsity.prune_low_magnitude(net, EVERY), **how)
    fit(pruned)
    assert kprune.report(pruned).sparsity == 0.5


def test_several_steps_per_execution():
    net = dense_net(norm=False, dropout=0)
    both = [
        compiled(sparsity.prune_low_magnitude(net, EVERY), **options)
        for options in ({}, {"steps_per_execution": 2})
    ]
    for one in both:
        fit(one, 2)
        assert int(one.layers[0].pruning_step) == 4
    for a, b in zip(both[0].variables, both[1].variables, strict=True):
        np.testing.assert_array_equal(np.array(a.value), np.array(b.value))


def test_a_saved_training_goes_on(tmp_path):
    decay = sparsity.PolynomialDecay(0.1, 0.8, 0, 6, frequency=1)
    path = str(tmp_path / "half.keras")
    net = dense_net(norm=False, dropout=0)
    pruned = compiled(sparsity.prune_low_magnitude(net, decay))
    fit(pruned)
    pruned.save(path)
    loaded = keras.models.load_model(path)
    for model in (pruned, loaded):
        fit(model)
    for a, b in zip(pruned.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(np.array(a.value), np.array(b.value))
    rule = loaded.layers[0].rule
    assert rule.schedule.get_config() == decay.get_config()


def test_all_options_are_saved(tmp_path):
    path = str(tmp_path / "net.keras")
    net = dense_net()
    kept = sparsity.prune_low_magnitude(net, EVERY, (4, 1), "MAX")
    kept.save(path)
    rule = keras.models.load_model(path).layers[0].rule
    assert rule.block_size == (4, 1) and rule.block_pooling_type == "MAX"
    sparsity.prune_low_magnitude(net, sparsity_m_by_n=(1, 4)).save(path)
    rule = keras.models.load_model(path).layers[0].rule
    assert rule.sparsity_m_by_n == (1, 4)  # Which TFMOT forgets.


@pytest.mark.parametrize(
    ("layer", "shape", "names"),
    [
        (layers.SeparableConv2D(3, 2), (4, 4, 2), ["pointwise_kernel"]),
        (layers.Embedding(5, 4), (3,), ["embeddings"]),
        (layers.LSTM(3), (4, 2), ["kernel", "recurrent_kernel"]),
        (
            layers.RNN([layers.GRUCell(2), layers.GRUCell(3)]),
            (4, 2),
            ["kernel", "recurrent_kernel"] * 2,
        ),
        (layers.Conv1D(3, 2), (4, 2), ["kernel"]),
    ],
)
def test_which_weights_of_a_layer(layer, shape, names):
    model = sequential(shape, sparsity.prune_low_magnitude(layer))
    (wrapped,) = model.layers
    assert [v.name for v, *_ in wrapped.pruning_vars] == names


@pytest.mark.parametrize(
    "layer", [layers.BatchNormalization(), layers.DepthwiseConv2D(2)]
)
def test_layers_without_weights_to_prune_stay(layer):
    model = sequential((4, 4, 2), layer, layers.Conv2D(2, 1, name="c"))
    pruned = sparsity.prune_low_magnitude(model)
    kinds = [type(x).__name__ for x in pruned.layers]
    assert kinds == [type(layer).__name__, "PruneLowMagnitude"]


def test_attention_of_several_inputs():
    x = keras.Input((3, 4))
    attended = layers.MultiHeadAttention(2, 2, name="m")(x, x)
    model = keras.Model(x, layers.Dense(1)(attended))
    pruned = sparsity.prune_low_magnitude(model, EVERY)
    assert len(pruned.layers[1].pruning_vars) == 4
    values = np.ones((2, 3, 4), np.float32)
    np.testing.assert_array_equal(pruned(values), model(values))


def test_a_model_in_a_model():
    inner = conv_net()
    x = keras.Input(inner.input_shape[1:])
    model = keras.Model(x, layers.Dense(2, name="top")(inner(x)))
    pruned = sparsity.prune_low_magnitude(model, EVERY)
    found = sparsity.pruning_wrapper.collect_prunable_layers(pruned)
    assert len(found) == 4
    plain = sparsity.strip_pruning(pruned)
    names = [v.path for v in model.variables]
    assert len(plain.variables) == len(names)


def test_wrapped_layers_keep_their_schedule_in_a_wrapped_model():
    other = sparsity.ConstantSparsity(0.25, 1, frequency=1)
    first = sparsity.prune_low_magnitude(layers.Dense(4, name="a"), other)
    model = sequential((8,), first, layers.Dense(3, name="b"))
    first.pruning_step.assign(7)
    pruned = sparsity.prune_low_magnitude(model, EVERY)
    schedules = [x.pruning_schedule.target_sparsity for x in pruned.layers]
    assert schedules == [0.25, 0.5]
    assert int(pruned.layers[0].pruning_step) == 7


def test_a_list_of_layers():
    pruned = sparsity.prune_low_magnitude([layers.Dense(3), layers.Flatten()])
    kinds = [type(x).__name__ for x in pruned]
    assert kinds == ["PruneLowMagnitude", "Flatten"]


class Own(layers.Layer):
    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 2), name="kernel")

    def call(self, x):
        return x @ self.kernel


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.one = layers.Dense(2)

    def call(self, x):
        return self.one(x)


def built(model, shape):
    model(np.ones((1, *shape), np.float32))
    return model


WRONG = {
    "a layer of one's own": (
        lambda: sparsity.prune_low_magnitude(sequential((3,), Own())),
        "get_prunable_weights",
    ),
    "a class of one's own": (
        lambda: sparsity.prune_low_magnitude(built(Subclassed(), (3,))),
        "Sequential or Functional",
    ),
    "a model with masks": (
        lambda: sparsity.prune_low_magnitude(kprune.wrap(dense_net())),
        "has masks",
    ),
    "not built": (
        lambda: sparsity.prune_low_magnitude(
            keras.Sequential([layers.Dense(3)])
        ),
        "not built",
    ),
    "no layer": (lambda: sparsity.prune_low_magnitude(3), "to_prune"),
    "no layers": (lambda: sparsity.prune_low_magnitude([3]), "to_prune"),
    "blocks of a convolution": (
        lambda: sparsity.prune_low_magnitude(conv_net(), block_size=(2, 2)),
        "rank 2",
    ),
    "m by n of rank 3": (
        lambda: sparsity.prune_low_magnitude(
            sequential((4, 2), layers.Conv1D(3, 2)), sparsity_m_by_n=(2, 4)
        ),
        "rank 2 or 4",
    ),
    "all of n": (
        lambda: sparsity.prune_low_magnitude(
            dense_net(), sparsity_m_by_n=(4, 4)
        ),
        "m < n",
    ),
    "pooling": (
        lambda: sparsity.prune_low_magnitude(
            dense_net(), block_pooling_type="MEAN"
        ),
        "block_pooling_type",
    ),
    "schedule": (
        lambda: sparsity.prune_low_magnitude(dense_net(), 0.5),
        "PruningSchedule",
    ),
    "policy": (
        lambda: sparsity.prune_low_magnitude(dense_net(), pruning_policy="x"),
        "PruningPolicy",
    ),
    "sparsity of 1": (lambda: sparsity.ConstantSparsity(1.0, 0), "target_sp"),
    "end before begin": (
        lambda: sparsity.ConstantSparsity(0.5, 10, 5),
        "end_step",
    ),
    "no end": (lambda: sparsity.PolynomialDecay(0, 0.5, 0, -1), "end_step"),
    "frequency": (
        lambda: sparsity.ConstantSparsity(0.5, 0, frequency=0),
        "frequency",
    ),
    "strip a layer": (lambda: sparsity.strip_pruning(Own()), "keras.Model"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_are_answered(case):
    call, words = WRONG[case]
    with pytest.raises(ValueError, match=words):
        call()


def test_summaries_need_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    pruned = compiled(sparsity.prune_low_magnitude(dense_net(), EVERY))
    summaries = sparsity.PruningSummaries(log_dir=str(tmp_path))
    step = sparsity.UpdatePruningStep()
    pruned.fit(*data(), verbose=0, callbacks=[step, summaries])
    (path,) = (tmp_path / "metrics").iterdir()
    written = path.read_bytes()
    assert b"prune_low_magnitude_a/kernel/sparsity" in written
    assert b"prune_low_magnitude_b/kernel/threshold" in written


def test_quantization_says_what_to_do():
    for name in ("quantize_model", "quantize_apply"):
        call = getattr(kprune.tfmot.quantization.keras, name)
        with pytest.raises(NotImplementedError, match=r"kprune\.export"):
            call(dense_net())


def separable(first_padding=((1, 1), (1, 1)), end=True):
    """Returns a small network as XNNPACK runs it sparsely."""
    x = inputs = keras.Input((16, 16, 3))
    x = layers.ZeroPadding2D(first_padding)(x)
    x = layers.Conv2D(4, 3, 2, "valid", name="first")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    y = layers.Conv2D(4, 1, name="pointwise")(y)
    x = layers.Add()([x, y])
    x = layers.GlobalAveragePooling2D()(x) if end else layers.Flatten()(x)
    return keras.Model(inputs, layers.Dense(2)(x))


def test_the_policy_prunes_pointwise_convolutions():
    policy = sparsity.PruneForLatencyOnXNNPack()
    pruned = sparsity.prune_low_magnitude(separable(), pruning_policy=policy)
    found = sparsity.pruning_wrapper.collect_prunable_layers(pruned)
    assert [x.layer.name for x in found] == ["pointwise"]


def with_softmax():
    model = separable()
    pooled = model.get_layer("pointwise").output
    x = layers.GlobalAveragePooling2D()(layers.Softmax()(pooled))
    return keras.Model(model.inputs, x)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda: separable(first_padding=((0, 1), (0, 1))), "does not begin"),
        (lambda: separable(end=False), "does not end"),
        (with_softmax, "Softmax"),
    ],
)
def test_the_policy_refuses_other_networks(model, words):
    policy = sparsity.PruneForLatencyOnXNNPack()
    with pytest.raises(ValueError, match=words):
        sparsity.prune_low_magnitude(model(), pruning_policy=policy)
