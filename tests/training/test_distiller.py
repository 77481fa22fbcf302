"""A student learns what its teacher gives, in whatever way it trains."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from networks import (
    CE,
    MSE,
    batched,
    conv_net,
    dense_net,
    examples,
    sequential,
    two_replicas,
)

import kprune
from kprune.training import Distiller, soft_targets

X, Y = examples(32, 8)
X2 = np.array([[1.0, 2.0]], "float32")


def linear(values, shape=(2,), **compiled):
    kernel = np.array(values, "float32")
    dense = layers.Dense(kernel.shape[1], use_bias=False, name="out")
    return sequential(shape, dense, values=[kernel], **compiled)


def net(seed=1, loss=CE, **kwargs):
    model = dense_net(seed=seed, dropout=0, norm=False, **kwargs)
    if loss is not None:
        model.compile(keras.optimizers.SGD(0.1), loss)
    return model


def first_loss(distiller, x, y, **kwargs):
    """Returns the loss of one step, before that changes anything."""
    history = distiller.fit(x, y, verbose=0, epochs=1, **kwargs)
    return history.history["loss"][0]


def test_hinton_on_two_classes():
    # T = 2 makes 3/4, 1/4 of the teacher's logits and 1/2, 1/2 of the
    # student's, so that KL = 3/4 ln(3/2) + 1/4 ln(1/2) = 0.130812; the loss of
    # the label is ln 2. Together 0.75 ln 2 + 0.25 * 4 * 0.130812 = 0.650672.
    student = linear(np.zeros((2, 2)), optimizer="sgd", loss=CE)
    teacher = linear([[2 * np.log(3), 0], [0, 0]])
    distiller = Distiller(student, teacher, temperature=2.0, alpha=0.25)

    found = first_loss(distiller, X2, np.array([0]))

    np.testing.assert_allclose(found, 0.650672, rtol=1e-5)
    # dKL/dz = (q - p) / T, times T^2; dCE/dz = q - (1, 0). With x = (1, 2):
    # z falls by 0.01 (0.75 (-1/2, 1/2) + 0.25 * 2 (-1/4, 1/4)) x.
    slope = 0.75 * 0.5 + 0.25 * 2 * 0.25
    expected = 0.01 * slope * np.array([[1, -1], [2, -2]])
    np.testing.assert_allclose(student.get_weights()[0], expected, rtol=1e-4)


def test_probabilities_are_those_of_their_logits():
    z = np.array([[1.0, -2.0, 0.5]], "float32")
    p = keras.ops.softmax(z)
    for one, other, values in (
        ("logits", "probabilities", (z, p)),
        ("binary_logits", "binary_probabilities", (z, keras.ops.sigmoid(z))),
    ):
        found = [
            soft_targets.log_probabilities(kind, value, 3.0)
            for kind, value in zip((one, other), values, strict=True)
        ]
        np.testing.assert_allclose(*found, atol=1e-5)


def test_two_outcomes_and_values():
    # Logits 0 and ln 3 at T = 1: KL((3/4, 1/4) || (1/2, 1/2)) = 0.130812.
    zero = np.zeros((1, 1), "float32")
    three = np.full((1, 1), np.log(3), "float32")
    kinds = 2 * ("binary_logits",)
    found = soft_targets.output_distance(zero, three, kinds, 1.0)
    np.testing.assert_allclose(found, [0.130812], rtol=1e-5)
    found = soft_targets.output_distance(zero, zero + 3, 2 * ("values",), 5.0)
    np.testing.assert_allclose(found, [9.0])


def test_attention_of_pictures():
    # Sums of squares (9 + 16, 0) and (0, 25) over two places: normalized they
    # are (1, 0) and (0, 1), at a squared distance of 2.
    one = np.array([[[3.0, 4.0], [0.0, 0.0]]])
    other = np.array([[[0.0], [5.0]]])
    found = soft_targets.attention_distance(one, other)
    np.testing.assert_allclose(found, [2.0], rtol=1e-5)


def test_the_teacher_is_left_alone():
    student, teacher = net(), net(2, loss=None)
    before = teacher.get_weights()
    distiller = Distiller(student, teacher)
    distiller.fit(X, Y, verbose=0)
    for one, other in zip(teacher.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(distiller.variables) == len(student.variables)
    assert distiller.teacher is teacher
    assert teacher.trainable


def test_a_student_comes_near_its_teacher():
    student, teacher = net(), net(2, loss=None)
    distiller = Distiller(student, teacher, alpha=1.0)
    distiller.compile(keras.optimizers.Adam(0.1), CE)
    distiller.fit(X, np.zeros(32), epochs=30, verbose=0)
    same = [m.predict(X, verbose=0).argmax(-1) for m in (student, teacher)]
    assert np.mean(same[0] == same[1]) > 0.9


def test_what_is_evaluated_and_saved_is_the_student(tmp_path):
    student, teacher = net(), net(2)
    distiller = Distiller(student, teacher)
    assert distiller.evaluate(X, Y, verbose=0) == student.evaluate(
        X, Y, verbose=0
    )
    history = distiller.fit(X, Y, validation_data=(X, Y), verbose=0)
    own = student.evaluate(X, Y, verbose=0)
    np.testing.assert_allclose(history.history["val_loss"][0], own, rtol=1e-6)
    distiller.save(tmp_path / "model.keras")
    distiller.save_weights(tmp_path / "net.weights.h5")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    student.load_weights(tmp_path / "net.weights.h5")
    np.testing.assert_array_equal(
        loaded.predict(X, verbose=0), distiller.predict(X, verbose=0)
    )


def test_afterwards_the_student_trains_as_before():
    student = net()
    Distiller(student, net(2, loss=None)).fit(X, Y, verbose=0)
    other = net()
    other.set_weights(student.get_weights())
    for model in (student, other):
        model.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    for one, its in zip(
        student.get_weights(), other.get_weights(), strict=True
    ):
        np.testing.assert_allclose(one, its, rtol=1e-6)


def test_features_and_attention_by_hand():
    student = conv_net(norm=False)
    teacher = conv_net(norm=False, seed=2)
    student.compile(keras.optimizers.SGD(0.0), CE)
    x, y = examples(8, 6, 6, 2)

    def of(model, name):
        inner = keras.Model(model.inputs[0], model.get_layer(name).output)
        return inner(x)

    given = [of(m, "fc1") for m in (student, teacher)]
    maps = [of(m, "conv") for m in (student, teacher)]
    expected = (
        student.evaluate(x, y, verbose=0)
        + 2 * np.mean((given[0] - given[1]) ** 2)
        + 3 * np.mean(soft_targets.attention_distance(*maps))
    )
    distiller = Distiller(
        student,
        teacher,
        alpha=0.0,
        features=["fc1"],
        attention={"conv": "conv"},
        feature_weight=2.0,
        attention_weight=3.0,
    )
    np.testing.assert_allclose(first_loss(distiller, x, y), expected, rtol=1e-4)


def attending(seed):
    keras.utils.set_random_seed(seed)
    x = keras.Input((4, 6))
    attention = layers.MultiHeadAttention(2, 3, name="attention")
    z = layers.GlobalAveragePooling1D()(attention(x, x))
    return keras.Model(x, layers.Dense(3)(z))


def test_scores_of_attention_under_a_mask():
    teacher = attending(2)
    student = kprune.prune(attending(1), "magnitude", 0.5)
    student.compile(keras.optimizers.SGD(0.0), CE)
    x, y = examples(8, 4, 6)

    def scores(model):
        inner = kprune.strip(model).get_layer("attention")
        return inner(x, x, return_attention_scores=True)[1]

    distance = np.mean((scores(student) - scores(teacher)) ** 2)
    assert distance > 1e-4
    expected = student.evaluate(x, y, verbose=0) + distance
    distiller = Distiller(student, teacher, alpha=0.0, attention="attention")
    np.testing.assert_allclose(first_loss(distiller, x, y), expected, rtol=1e-5)


@keras.saving.register_keras_serializable("tests_distiller")
class OwnStep(keras.Model):
    """Trains in its own way, on inputs that it doubles, by its own loss."""

    def __init__(self, asks=True, **kwargs):
        super().__init__(**kwargs)
        self.out = layers.Dense(3, name="out")
        self.asks = asks

    def call(self, x):
        return self.out(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        return 2 * CE(y, y_pred)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(2 * x, training=True)
            if self.asks:
                loss = self.compute_loss(2 * x, y, y_pred)
            else:
                loss = CE(y, y_pred)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"own": loss}


def own(asks=True, loss=CE, **compiled):
    keras.utils.set_random_seed(3)
    model = OwnStep(asks)
    model(X)
    model.compile("sgd", loss, **compiled)
    return model


@pytest.mark.parametrize("eagerly", [False, True])
def test_a_train_step_of_ones_own(eagerly):
    student, teacher = own(run_eagerly=eagerly), net(2, loss=None)
    z, target = student(2 * X), teacher(2 * X)
    distance = soft_targets.output_distance(z, target, 2 * ("logits",), 4.0)
    expected = 0.1 * 2 * CE(Y, z) + 0.9 * np.mean(distance)
    history = Distiller(student, teacher).fit(X, Y, batch_size=32, verbose=0)
    assert list(history.history) == ["own"]
    np.testing.assert_allclose(history.history["own"][0], expected, rtol=1e-5)


def test_weights_of_examples_and_several_outputs():
    def model(seed):
        keras.utils.set_random_seed(seed)
        x = keras.Input((8,))
        classes = layers.Dense(3, name="classes")(x)
        return keras.Model(x, [classes, layers.Dense(1, name="value")(x)])

    student, teacher = model(1), model(2)
    student.compile(keras.optimizers.SGD(0.0), [CE, MSE])
    w = np.linspace(0, 1, 32).astype("float32")
    (z, v), (tz, tv) = student(X), teacher(X)
    kl = soft_targets.output_distance(z, tz, 2 * ("logits",), 4.0)
    expected = np.mean(w * kl) + np.mean(w * (v - tv)[:, 0] ** 2)
    found = first_loss(
        Distiller(student, teacher, alpha=1.0),
        X,
        [Y, np.zeros((32, 1))],
        sample_weight=[w, w],
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_two_replicas_learn_as_one():
    found = []
    for strategy in (tf.distribute.get_strategy(), two_replicas()):
        with strategy.scope():
            student, teacher = net(), net(2, loss=None)
        Distiller(student, teacher, features=["a"]).fit(
            batched(X, Y), verbose=0
        )
        found.append(student.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_mixed_precision():
    policy = keras.DTypePolicy("mixed_float16")
    keras.utils.set_random_seed(1)
    hidden = layers.Dense(16, dtype=policy, name="a")
    student = sequential((8,), hidden, layers.Dense(3, dtype=policy, name="b"))
    student.compile("sgd", CE)
    teacher = net(2, loss=None)
    before = student.get_weights()
    distiller = Distiller(student, teacher, features=["a"])
    history = distiller.fit(X, Y, epochs=2, verbose=0)
    assert history.history["loss"][1] < history.history["loss"][0]
    assert not np.array_equal(before[0], student.get_weights()[0])


def test_gradual_pruning_and_checkpoints(tmp_path):
    pruning = kprune.callbacks.GradualPruning("gmp", 0.5, every=1)
    student, teacher = kprune.wrap(net()), net(2, loss=None)
    kprune.training.fit(
        Distiller(student, teacher),
        batched(X, Y),
        epochs=1,
        callbacks=[pruning],
        checkpoint=kprune.callbacks.Checkpoint(tmp_path, "1it"),
        verbose=0,
    )
    assert kprune.report(student).sparsity == 0.5
    other = kprune.wrap(net())
    other.fit(batched(X, Y), callbacks=[pruning], verbose=0)
    assert not np.array_equal(other.get_weights()[0], student.get_weights()[0])


def test_a_student_whose_loss_does_not_tell():
    student, teacher = own(loss=None), net(2, loss=None)
    with pytest.raises(ValueError, match='Pass `outputs="logits"`'):
        Distiller(student, teacher).fit(X, Y, verbose=0)
    Distiller(student, teacher, outputs="logits").fit(X, Y, verbose=0)


REFUSED = {
    "another number of classes": (
        lambda: Distiller(net(), net(2, classes=4)),
        r"outputs of model 'net', \[\(3,\)\] without.*Received: \[\(4,\)\]",
    ),
    "another number, told by the first step": (
        lambda: Distiller(own(), net(2, classes=4)).fit(X, Y, verbose=0),
        r"Received: \[\(4,\)\]",
    ),
    "another kind of outputs": (
        lambda: Distiller(net(), net(2, loss=MSE)).fit(X, Y, verbose=0),
        "Expected a teacher that gives what model 'net' gives, logits",
    ),
    "no such layer": (
        lambda: Distiller(net(), net(2), features=["c"]),
        "layer of model 'net'",
    ),
    "features of other shapes": (
        lambda: Distiller(net(), net(2, units=4), features=["a"]).fit(
            X, Y, verbose=0
        ),
        "shapes at layer 'a'",
    ),
    "attention of no picture": (
        lambda: Distiller(net(), net(2), attention=["a"]).fit(X, Y, verbose=0),
        "Expected pictures",
    ),
    "a step that does not ask": (
        lambda: Distiller(own(asks=False), net(2)).fit(X, Y, verbose=0),
        "does not call `self.compute_loss`",
    ),
    "not compiled": (
        lambda: Distiller(net(loss=None), net(2)).fit(X, Y, verbose=0),
        "is not compiled",
    ),
    "temperature": (
        lambda: Distiller(net(), net(2), temperature=0),
        "`temperature`",
    ),
    "alpha": (lambda: Distiller(net(), net(2), alpha=1.5), "`alpha`"),
    "teacher": (lambda: Distiller(net(), "net"), "`teacher`"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_learned_is_refused(name):
    call, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        call()


def test_a_model_does_not_teach_itself():
    model = net()
    with pytest.raises(ValueError, match="shares weights"):
        Distiller(model, model)
