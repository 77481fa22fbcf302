"""SupSup: a mask for each task, and whose task a batch is of."""

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from lifecycle import assert_same, normal
from networks import batched, sequential

import kprune
from kprune.learned import SupermaskStack, task_inference

TASKS = ("left", "right", "turned")


def two_logits(kernel):
    model = sequential((2,), layers.Dense(2, use_bias=False, name="fc"))
    model.layers[0].kernel.assign(kernel)
    return model


def superposition():
    model = two_logits(np.zeros((2, 2)))
    values = [
        np.array([[4.0, 0.0], [0.0, 0.0]], "float32"),
        np.array([[0.0, 2.0], [0.0, 0.0]], "float32"),
    ]
    return model, task_inference.Superposition(
        model, [(model.layers[0].kernel, values)]
    )


def test_the_gradient_of_the_entropy_by_hand():
    model, mixture = superposition()
    x = np.array([[1.0, 5.0]], "float32")
    gradient = mixture.gradient(x, task_inference.entropy, [0.5, 0.5])
    # The logits are [4/2, 2/2] = [2, 1]; dH/dz_k = -p_k (ln p_k + H), and z_1
    # has the slope 4 in the first alpha, z_2 the slope 2 in the second.
    p = np.exp([2.0, 1.0]) / np.exp([2.0, 1.0]).sum()
    h = -(p * np.log(p)).sum()
    expected = -p * (np.log(p) + h) * [4, 2]
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)
    assert expected[0] < 0 < expected[1]
    np.testing.assert_array_equal(model.layers[0].kernel, np.zeros((2, 2)))


def test_the_gradient_of_superfluous_outputs_by_hand():
    _, mixture = superposition()
    x = np.array([[1.0, 5.0]], "float32")
    objective = task_inference.superfluous(1)
    gradient = mixture.gradient(x, objective, [0.5, 0.5])
    # dG/dz = softmax(z) at [2, 1], but only by the second output.
    second = np.exp(1.0) / np.exp([2.0, 1.0]).sum()
    np.testing.assert_allclose(gradient, [0, 2 * second], rtol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("rule", ["one_shot", "binary"])
def test_rules_find_the_lowest_gradient(rule, count):
    for wanted in range(count):
        slopes = np.arange(count, dtype=float)
        slopes[wanted] = -1
        asked = []

        def gradient(alpha, slopes=slopes, asked=asked):
            asked.append(alpha)
            return slopes

        assert task_inference.RULES[rule](gradient, count) == wanted
        steps = {1: 0, 2: 1, 3: 2, 5: 3, 8: 3}[count]
        assert len(asked) == (1 if rule == "one_shot" else steps)
        for alpha in asked:
            assert alpha.sum() == pytest.approx(1)


def seen_by(task, x):
    """Returns images with their pixels in another order."""
    flat = x.reshape(len(x), -1)
    order = np.random.default_rng(TASKS.index(task)).permutation(flat.shape[1])
    return flat[:, order].reshape(x.shape)


def kernels_of(model):
    found = [np.array(v) for v in model.variables if v.name == "kernel"]
    assert len(found) == 2
    return found


@pytest.fixture(scope="module")
def trained():
    """A stack of three tasks of permuted digits, with two spare outputs."""
    keras.utils.set_random_seed(0)
    model = kprune.models.fc(
        (300,),
        12,
        input_shape=(8, 8, 1),
        activation="relu",
        initializer="kaiming_normal",
        seed=0,
    )
    stack = SupermaskStack(model, 0.5)
    before = kernels_of(stack.net)
    (x, y), _ = kprune.datasets.load_arrays("digits")
    for task in TASKS:
        stack.train(
            task,
            batched(seen_by(task, x), y, 32, shuffle=0),
            epochs=4,
            optimizer=keras.optimizers.RMSprop(1e-2),
        )
    assert_same(kernels_of(stack.net), before)
    return stack


@pytest.mark.parametrize(
    "rule, classes",
    [
        ("one_shot", 10),
        ("binary", None),
        pytest.param("one_shot", None, marks=pytest.mark.slow),
        pytest.param("binary", 10, marks=pytest.mark.slow),
    ],
)
def test_tasks_are_inferred_and_solved(trained, rule, classes):
    _, (x, y) = kprune.datasets.load_arrays("digits")
    assert trained.tasks == list(TASKS)
    for task in TASKS:
        batch = seen_by(task, x)
        assert trained.infer(batch[:64], rule, classes=classes) == task
        outputs = trained.predict(batch, rule=rule, classes=classes)
        assert np.mean(outputs.argmax(1) == y) > 0.8
        assert_same(outputs, trained.predict(batch, task))
    wrong = trained.predict(seen_by("left", x), "right")
    assert np.mean(wrong.argmax(1) == y) < 0.5


def test_tasks_keep_the_exact_number_each_of_the_same_weights(trained):
    kernels = kernels_of(trained.net)
    masks = [trained.masks(task) for task in TASKS]
    for each in masks:
        assert each["fc1/kernel"].sum() == 64 * 300 // 2
        assert each["fc2/kernel"].sum() == 300 * 12 // 2
    share = np.mean(masks[0]["fc1/kernel"] == masks[1]["fc1/kernel"])
    assert 0.4 < share < 0.7
    assert_same(kernels_of(trained.net), kernels)


def test_a_stack_is_saved_and_loaded(trained, tmp_path):
    trained.save(tmp_path / "stack")
    loaded = SupermaskStack.load(tmp_path / "stack")
    _, (x, _) = kprune.datasets.load_arrays("digits")
    batch = seen_by("turned", x[:64])
    assert loaded.tasks == trained.tasks
    assert loaded.infer(batch) == "turned"
    assert_same(loaded.predict(batch), trained.predict(batch, "turned"))
    assert_same(loaded.masks("left"), trained.masks("left"))


def normalized():
    return sequential(
        (4,),
        layers.Dense(8, name="a"),
        layers.BatchNormalization(momentum=0.5, name="norm"),
        layers.ReLU(name="relu"),
        layers.Dense(3, name="b"),
    )


def two_tasks(stack):
    """Trains two tasks, the inputs of one being nine times the other's."""
    x, y = normal(32, 4) + 1, np.arange(32) % 3
    for task, scale in (("small", 1.0), ("large", 9.0)):
        stack.train(task, tf.data.Dataset.from_tensors((scale * x, y)))
    return stack


@pytest.fixture(scope="module")
def stack():
    keras.utils.set_random_seed(0)
    return two_tasks(SupermaskStack(normalized(), 0.5))


def test_looking_at_tasks_leaves_the_network_at_its_own(stack, tmp_path):
    net, x = stack.use("small"), normal(32, 4)
    expected = net(x)
    for look in (
        lambda: stack.save(tmp_path),
        lambda: stack.infer(x),
        lambda: stack.masks("large"),
    ):
        look()
        np.testing.assert_array_equal(net(x), expected)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "model.keras",
        "tasks.npz",
    ]


def test_statistics_are_those_of_the_task(stack):
    def mean(task):
        net = stack.use(task)
        (found,) = [v for v in net.variables if v.name == "moving_mean"]
        return np.array(found)

    small, large = mean("small"), mean("large")
    # Half of the batch's, one step from 0, in either task.
    assert np.abs(large).mean() > 3 * np.abs(small).mean() > 0
    stack.infer(normal(8, 4))
    assert_same(mean("small"), small)
    x, y = 9 * (normal(32, 4) + 1), np.arange(32) % 3
    stack.train("small", tf.data.Dataset.from_tensors((x, y)))
    assert (mean("small") != small).sum() > 4
    assert_same(mean("large"), large)


class Own(keras.Model):
    """Two layers that no graph tells of."""

    def __init__(self, **options):
        super().__init__(**options)
        self.a = layers.Dense(8, activation="relu")
        self.b = layers.Dense(3)

    def call(self, inputs):
        return self.b(self.a(inputs))


@pytest.mark.slow
def test_a_subclassed_model_in_the_scope_of_a_strategy():
    with kprune.training.strategy("mirrored").scope():
        model = Own()
        model(normal(2, 4))
        stack = SupermaskStack(model)
    two_tasks(stack)
    assert stack.infer(normal(8, 4)) in stack.tasks
    assert stack.infer(normal(8, 4), classes=2) in stack.tasks


def test_what_does_not_fit_is_answered():
    stack = SupermaskStack(normalized())
    data = tf.data.Dataset.from_tensors((normal(8, 4), np.zeros(8, int)))
    with pytest.raises(ValueError, match="Expected a task to be trained"):
        stack.infer(normal(8, 4))
    with pytest.raises(ValueError, match=r"`task`.*Received: task=3"):
        stack.train(3, data)
    with pytest.raises(ValueError, match=r"tf\.data\.Dataset.*ndarray"):
        stack.train("one", normal(8, 4))
    stack.train("one", data)
    with pytest.raises(ValueError, match="Did you mean 'one_shot'"):
        stack.infer(normal(8, 4), "oneshot")
    with pytest.raises(ValueError, match=r"the 3 outputs.*classes=3"):
        stack.infer(normal(8, 4), classes=3)
    with pytest.raises(ValueError, match="Did you mean 'one'"):
        stack.use("on")


@pytest.fixture(scope="module")
def one_task(tmp_path_factory):
    """The directory of a stack of one task."""
    stack = SupermaskStack(sequential((4,), layers.Dense(3, name="fc")))
    data = tf.data.Dataset.from_tensors((normal(8, 4), np.zeros(8, int)))
    stack.train("one", data)
    path = tmp_path_factory.mktemp("stack")
    stack.save(path)
    return path


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"0/scores/fc/kernel": np.full((4, 3), np.nan, "f4")}, "finite"),
        ({"0/scores/fc/kernel": np.zeros((3, 4), "f4")}, r"shape \(3, 4\)"),
        ({"0/scores/fc/kernel": np.zeros((4, 3), "<U1")}, "finite numbers"),
        ({"1/scores/fc/kernel": np.zeros((4, 3), "f4")}, "names of tasks"),
        ({"names": np.array("[]")}, "names of tasks"),
        ({"names": np.array('["one", "one"]')}, "names of tasks"),
        ({"names": np.array("[3]")}, "names of tasks"),
        ({"names": np.array("{")}, "JSONDecodeError"),
        ({"names": np.arange(3)}, "JSONDecodeError"),
    ],
)
def test_tasks_that_do_not_fit_the_network(one_task, tmp_path, changes, words):
    shutil.copy(one_task / "model.keras", tmp_path)
    with np.load(one_task / "tasks.npz") as file:
        arrays = dict(file)
    np.savez(tmp_path / "tasks.npz", **{**arrays, **changes})
    with pytest.raises(ValueError, match=f"tasks.npz.*{words}"):
        SupermaskStack.load(tmp_path)
