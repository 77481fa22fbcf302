"""Wrong arguments get words at the door, and change nothing."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from networks import CE, batched, dense_net, examples, sequential

import kprune
from kprune import callbacks, learned
from kprune.runtime import checks, doors

X, Y = examples(32, 8)
WORDS = tf.constant(["snip"])


@keras.saving.register_keras_serializable("tests")
class Own(keras.Model):
    """Two dense layers of a class of one's own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = layers.Dense(4, activation="relu")
        self.last = layers.Dense(3)

    def call(self, x):
        return self.last(self.first(x))


def compiled(model):
    model.compile(keras.optimizers.Adam(0.01), CE)
    model.optimizer.build(model.trainable_variables)
    return model


def state(model):
    """Returns what a refused call must leave as it was."""
    optimizer = model.optimizer.variables if model.compiled else []
    return [
        [np.array(v) for v in (*model.variables, *optimizer)],
        [(layer.name, type(layer), layer.trainable) for layer in model.layers],
        [v.constraint for v in model.trainable_variables],
        type(model),
    ]


def assert_same(model, before):
    values, *rest = state(model)
    assert rest == before[1:]
    for one, other in zip(values, before[0], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def model():
    return compiled(dense_net())


@pytest.fixture(scope="module")
def pruned(model):
    return compiled(kprune.prune(model, "magnitude", 0.5))


def prune(model, method="magnitude", sparsity=0.5, **options):
    return kprune.prune(model, method, sparsity, **options)


OF_A_MODEL = {
    "exclude None": (lambda m: prune(m, exclude=3), "`exclude`"),
    "exclude 3": (lambda m: learned.edge_popup(m, 0.5, exclude=None), "names"),
    "exclude of an objective": (
        lambda m: kprune.Objective(m, (X, Y), exclude=3),
        "`exclude`",
    ),
    "method a list": (lambda m: prune(m, ["snip"]), "method of prune"),
    "method a tensor": (lambda m: prune(m, WORDS), "method of prune"),
    "granularity a tensor": (
        lambda m: prune(m, granularity=WORDS),
        "granularity",
    ),
    "criterion of one argument": (lambda m: prune(m, abs), r"\(objective, w"),
    "criterion that gives nothing": (
        lambda m: prune(m, lambda objective, weights, masks: None),
        "dict of scores",
    ),
    "allocation that gives nothing": (
        lambda m: prune(m, allocation=lambda *given: {}),
        "an integer for each",
    ),
    "schedule that gives NaN": (
        lambda m: prune(m, schedule=lambda *given: np.nan, rounds=2),
        "as the schedule gives it",
    ),
    "sparsity complex": (lambda m: prune(m, sparsity=0.5 + 0j), "a number in"),
    "inplace a string": (lambda m: prune(m, inplace="yes"), "True or False"),
    "data a string": (lambda m: prune(m, "snip", data="mnist"), "arrays"),
    "loss a layer": (
        lambda m: prune(m, "snip", data=(X, Y), loss=layers.Dense(2)),
        "as `compile` takes it",
    ),
    "labels that are strings": (
        lambda m: prune(m, "snip", data=(X, np.array(["a"] * 32))),
        "number the classes",
    ),
    "batches infinite": (
        lambda m: kprune.report(m, data=(X, Y), batches=np.inf),
        "`batches`",
    ),
    "vector of other shapes": (
        lambda m: kprune.Objective(m, (X, Y)).hvp(
            {"a/kernel": np.ones((8, 16)), "b/kernel": np.ones((16, 2))}
        ),
        r"Expected 'b/kernel' of shape \(16, 3\)",
    ),
    "print_fn no function": (
        lambda m: kprune.summary(m, print_fn=3),
        "a function",
    ),
    "against a number": (lambda m: kprune.report(m, against=3), "dict of mas"),
    "callbacks a number": (
        lambda m: kprune.training.fit(m, batched(X, Y), callbacks=3),
        "list of Keras callbacks",
    ),
    "a layer": (lambda m: prune(layers.Dense(3)), "Received: Dense"),
    "no model": (lambda m: kprune.strip(None), "to be a keras.Model"),
}


@pytest.mark.parametrize("name", OF_A_MODEL)
def test_wrong_arguments_beside_a_model(name, model):
    call, message = OF_A_MODEL[name]
    before = state(model)
    with pytest.raises(ValueError, match=message):
        call(model)
    assert_same(model, before)


OF_VALUES = {
    "scoring a number": (lambda: kprune.Pruner("snip", scoring=3), "scoring"),
    "scoring of a wrong field": (
        lambda: kprune.Pruner("snip", scoring={"batchs": 1}),
        "Did you mean 'batches'",
    ),
    "exclude None": (lambda: kprune.Pruner("snip", exclude=None), "`exclude`"),
    "after_pruning of one": (
        lambda: kprune.Pruner("snip", after_pruning=lambda model: None),
        r"\(model, seed\)",
    ),
    "batches infinite": (
        lambda: kprune.ScoringConfig(batches=np.inf),
        "`batches`",
    ),
    "dropout a string": (
        lambda: kprune.ScoringConfig(dropout="no"),
        "True or False",
    ),
    "a schedule of words": (
        lambda: kprune.schedules.cubic("half", 0.9),
        "`progress`",
    ),
    "a curve that is flat": (
        lambda: kprune.schedules.sigmoid(0.5, 0.9, midpoint=1e9),
        "rises",
    ),
    "complex rate": (
        lambda: kprune.training.learning_rates.cosine(1 + 2j, 10, 100),
        "`learning_rate`",
    ),
    "masks of lists": (lambda: kprune.masks.overlap([1], [2]), "dict from n"),
    "GradualPruning, exclude": (
        lambda: callbacks.GradualPruning("gmp", 0.5, exclude=3),
        "`exclude`",
    ),
    "GradualPruning, data": (
        lambda: callbacks.GradualPruning("snip", 0.5, data=3),
        "`data`",
    ),
    "GradualPruning, loss": (
        lambda: callbacks.GradualPruning("snip", 0.5, loss="no loss"),
        "`loss`",
    ),
    "EarlyBird, exclude": (
        lambda: callbacks.EarlyBird("magnitude", exclude=3),
        "`exclude`",
    ),
    "EarlyBird, data": (
        lambda: callbacks.EarlyBird("snip", data={"x": X}),
        "`data`",
    ),
    "GrowingRegularization, exclude": (
        lambda: callbacks.GrowingRegularization(sparsity=0.5, exclude=3),
        "`exclude`",
    ),
    "GroupLasso, data": (
        lambda: callbacks.regularization.GroupLasso(data="digits"),
        "`data`",
    ),
    "a model's activation": (
        lambda: kprune.models.fc((4,), activation={"a": 1}),
        "an activation",
    ),
    "a model's shape without end": (
        lambda: kprune.models.fc((4,), input_shape=iter(int, 1)),
        "`input_shape`",
    ),
    "a model's name": (
        lambda: kprune.models.wrn(10, 1, name="a/b"),
        "`name`. Expected a string without a slash",
    ),
    "figures of several lengths": (
        lambda: kprune.sanity.verdict([1.0], [[], [1.0]]),
        "`checked`. Expected one or more finite numbers",
    ),
    "directory of checkpoints": (
        lambda: callbacks.Checkpoint(None),
        "`directory`",
    ),
}


@pytest.mark.parametrize("name", OF_VALUES)
def test_wrong_arguments_without_a_model(name):
    call, message = OF_VALUES[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_directories_and_files_are_told_apart(pruned, tmp_path):
    masks, report = kprune.get_masks(pruned), kprune.report(pruned)
    centroids = kprune.kept_weights.centroids(pruned)
    for save in (report.save, centroids.save):
        with pytest.raises(ValueError, match="where no directory is"):
            save(tmp_path)
    with pytest.raises(ValueError, match="where no directory is"):
        kprune.masks.save(masks, str(tmp_path))
    file = tmp_path / "file"
    file.write_text("words")
    with pytest.raises(ValueError, match="where no file is"):
        kprune.export(pruned, file)
    assert [*tmp_path.iterdir()] == [file]


def test_wrong_values_in_the_words_of_an_error():
    class Strange:
        def __repr__(self):
            raise RuntimeError

    error = checks.invalid("x", np.ones((99, 99)), "an integer")
    assert len(str(error).splitlines()) == 1
    assert len(str(error)) < 400
    assert "class Strange" in str(checks.invalid("x", Strange(), "words"))


def test_a_door_checks_what_is_given_and_leaves_the_rest():
    @doors.checked(width=checks.at_least(1), batches=None)
    def call(width, batches=None, *, seed=0, **options):
        return width, batches, seed, options

    assert call(3, "all", other=1) == (3, "all", 0, {"other": 1})
    assert call.__name__ == "call"
    with pytest.raises(ValueError, match="`seed`"):
        call(3, seed=-1)
    with pytest.raises(ValueError, match="`width`"):
        call(width=0)
    with pytest.raises(TypeError, match="missing a required argument: 'width'"):
        call()


WRONG_LAST = {
    "the optimizer": lambda m, masks: kprune.set_masks(m, masks, "adam"),
    "the last mask": lambda m, masks: kprune.set_masks(
        m, {**masks, "b/kernel": np.ones((16, 3)) * 2}
    ),
    "validation of another form": lambda m, masks: kprune.training.fit(
        m, batched(X, Y), validation_data=(X[:, :5], Y), verbose=0
    ),
    "validation without labels": lambda m, masks: kprune.training.fit(
        m, batched(X, Y), validation_data=X, verbose=0
    ),
    "validation without end": lambda m, masks: kprune.training.fit(
        m, batched(X, Y), validation_data=batched(X, Y).repeat(), verbose=0
    ),
    "a callback that says more than there is": lambda m, masks: m.fit(
        X,
        Y,
        callbacks=[
            callbacks.GradualPruning("gmp", 0.5, begin=9, end=9, exclude="c")
        ],
        verbose=0,
    ),
    "growth that is too long": lambda m, masks: m.fit(
        X,
        Y,
        callbacks=[callbacks.GrowingRegularization("greg1", 0.5, exclude="b")],
        verbose=0,
    ),
}


@pytest.mark.parametrize("name", WRONG_LAST)
def test_nothing_is_changed_before_all_is_checked(name, pruned):
    before = state(pruned)
    notes = [w.note for w in kprune.masking.weights.find(pruned)]
    masks = {n: ~mask for n, mask in kprune.get_masks(pruned).items()}
    with pytest.raises(ValueError):
        WRONG_LAST[name](pruned, masks)
    assert_same(pruned, before)
    assert notes == [w.note for w in kprune.masking.weights.find(pruned)]


def test_a_model_is_set_back_if_a_rule_raises_in_place():
    model = Own()
    model(X)
    compiled(model)
    before, layer = state(model), model.first
    expected = model(X)

    def rule(wrapped, seed):
        wrapped.first.kernel.assign(wrapped.first.kernel * 2)
        wrapped.extra = 3
        raise KeyError("no such rule")

    pruner = kprune.Pruner("magnitude", after_pruning=rule)
    with pytest.raises(KeyError):
        kprune.prune(model, pruner, 0.5, inplace=True)
    assert_same(model, before)
    assert model.first is layer and not hasattr(model, "extra")
    np.testing.assert_array_equal(model(X), expected)
    with pytest.raises(ValueError, match="has no masks"):
        kprune.get_masks(model)
    # And it can be pruned as if nothing had been.
    kprune.prune(model, "magnitude", 0.5, inplace=True)
    assert kprune.report(model).sparsity == 0.5
    model.fit(X, Y, verbose=0)


def test_no_callbacks_are_none():
    model = kprune.wrap(compiled(dense_net()))
    history = kprune.training.fit(
        model, batched(X, Y), callbacks=None, verbose=0
    )
    assert len(history.epoch) == 1


def endless_digits():
    train, _ = kprune.datasets.load("digits", start=3)
    return train


def test_endless_data_is_refused_where_all_is_read():
    digits = kprune.models.fc((4,), input_shape=(8, 8, 1), seed=0)
    digits.compile("sgd", CE)
    analysis, data, some = (
        kprune.analysis,
        endless_digits(),
        examples(9, 8, 8, 1),
    )
    for call in (
        lambda: analysis.linear_connectivity(digits, digits, data, 2),
        lambda: analysis.linear_connectivity(
            digits, digits, some, 2, statistics_from=data
        ),
        lambda: kprune.class_balanced(data, 2),
        lambda: kprune.report(digits, data=data),
        lambda: analysis.gradient_flow(digits, data),
        lambda: prune(digits, "snip", data=data),
        lambda: kprune.kept_weights.coreset(digits, 0.5, data),
        lambda: kprune.learned.neuron_supermask(digits, data, sparsity=0.5),
        lambda: kprune.prune_and_build((2,), 4, data, 10),
    ):
        with pytest.raises(ValueError, match="has no end"):
            call()
    # What reads one batch, or says how many, takes it.
    kprune.report(digits, data=data, batches=1)
    kprune.compare(digits, digits, data=data, repeats=1, verbose=0)


def test_lines_are_measured_on_finite_numbers(model):
    data = (np.full_like(X, np.nan), Y)
    with pytest.raises(ValueError, match="NaN or infinite"):
        kprune.analysis.linear_connectivity(model, model, data, 2)


def with_an_empty_weight(other=True):
    inputs = keras.Input((4,))
    nothing = layers.Lambda(lambda x: x[:, :0])(inputs)
    x = layers.Dense(3, name="empty")(nothing)
    if other:
        x = layers.Add()([x, layers.Dense(3, name="fc")(inputs)])
    return keras.Model(inputs, x)


@pytest.mark.parametrize("method", kprune.methods("select"))
def test_weights_without_entries_are_left_out(method):
    sparsity = None if method in ("supermask", "gem_miner") else 0.5
    chosen = kprune.select(with_an_empty_weight(), method, sparsity)
    assert [*learned.selected_masks(chosen)] == ["fc/kernel"]
    assert 0 < learned.sparsity(chosen) < 1
    pruned = prune(with_an_empty_weight(), allocation="erk")
    rows = {row.name: row.skipped for row in kprune.report(pruned).rows}
    assert rows == {"empty/kernel": "has no entries", "fc/kernel": None}


def test_models_of_weights_without_entries_are_refused():
    model = with_an_empty_weight(other=False)
    for call in (
        lambda: prune(model),
        lambda: kprune.select(model, "supermask"),
        lambda: learned.soft_threshold(model),
        lambda: learned.hard_concrete(model, 32),
        lambda: kprune.wrap(model),
    ):
        with pytest.raises(ValueError, match="empty/kernel: has no entries"):
            call()


def test_one_weight_is_pruned_as_many_are():
    model = sequential((1,), layers.Dense(1, name="one"), seed=0)
    for method in ("magnitude", "random"):
        assert kprune.report(prune(model, method, 0.4)).sparsity == 0.0
    assert learned.sparsity(kprune.select(model, "edge_popup", 0.4)) == 0.0
