"""A trained model becomes as small as a budget asks, or as it can."""

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from interruption import Killed
from keras import layers
from networks import (
    CE,
    MSE,
    batched,
    conv_net,
    dense_net,
    examples,
    two_replicas,
)

import kprune
from kprune.experiment.compression import (
    candidates,
    compressing,
    costs,
    goals,
    quality,
    search,
    training_data,
)
from kprune.training import CheckpointFiles

X, Y = examples(48, 8)
TRAIN, VALIDATION = (X[:32], Y[:32]), (X[32:], Y[32:])
QUICK = {"batch_size": 16, "verbose": 0, "finetune": {"epochs": 1}}


@pytest.fixture
def untimed(monkeypatch):
    """Times are not taken: they are slow, and differ."""
    monkeypatch.setattr(compressing, "_clock", lambda *args: None)


def compiled(model, loss=CE, metrics=("accuracy",)):
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=list(metrics))
    return model


def net(**kwargs):
    return compiled(dense_net(dropout=0, norm=False, **kwargs))


def normed():
    return compiled(conv_net())


def compress(model, train=TRAIN, validation=VALIDATION, **kwargs):
    return kprune.compress(model, train, validation, **{**QUICK, **kwargs})


# What is tried.


class Attempts:
    """Candidates whose metric and size follow from what is left of them."""

    def __init__(self, within, met):
        self.within, self.met = within, met
        self.made = [{"left": 1.0, "within": True, "met": False}]

    def __call__(self, parent, left):
        assert parent["within"]
        assert left < parent["left"]
        found = {
            "left": left,
            "within": self.within(left),
            "met": self.met(left),
        }
        self.made.append(found)
        return found

    def shares(self):
        return [round(one["left"], 4) for one in self.made[1:]]


def searched(within, met, end=None, step=0.5):
    attempts = Attempts(within, met)
    search.search(
        attempts,
        search.levels(1.0, step, end),
        attempts.made[0],
        exact=end is not None,
    )
    return attempts


def always(left):
    return True


def test_an_exact_target_is_reached_in_equal_steps():
    found = searched(always, lambda left: left <= 0.2, end=0.2)
    # Three steps of a ratio of 0.2 ** (1 / 3) = 0.5848.
    assert found.shares() == [0.5848, 0.342, 0.2]


def test_the_step_that_cost_too_much_is_halved():
    found = searched(lambda left: left > 0.3, lambda left: False)
    # From 0.5 to 0.25: sqrt(0.125) is good, then sqrt(0.3536 * 0.25) is not,
    # then sqrt(0.3536 * 0.2973) is.
    assert found.shares() == [0.5, 0.25, 0.3536, 0.2973, 0.3242]


def test_a_measured_target_is_approached_from_both_sides():
    found = searched(always, lambda left: left < 0.4)
    assert found.shares() == [0.5, 0.25, 0.3536, 0.4204, 0.3856]


def test_it_ends_where_nothing_more_can_go():
    shares = search.levels(1.0, 0.5)
    search.search(lambda parent, left: None, shares, {"left": 1.0}, exact=False)
    assert min(search.levels(1.0, 0.5)) >= 0.01


def candidate(number, left, metric, within=True, met=False, share=None):
    values = {"number": number, "left": left, "metric": metric}
    return {**values, "within": within, "met": met, "share": share}


@pytest.mark.parametrize(
    ("wanted", "sign", "rest", "expected"),
    [
        (True, 1, [candidate(1, 0.5, 0.8, met=True)], (1, True)),
        (
            True,
            1,
            [
                candidate(1, 0.4, 0.8, met=True),
                candidate(2, 0.5, 0.9, met=True),
            ],
            (2, True),
        ),
        (
            True,
            -1,
            [
                candidate(1, 0.4, 0.8, met=True),
                candidate(2, 0.5, 0.9, met=True),
            ],
            (1, True),
        ),
        (True, 1, [candidate(1, 0.5, 0.1, within=False, met=True)], (0, False)),
        (False, 1, [candidate(1, 0.5, 0.9), candidate(2, 0.3, 0.8)], (2, True)),
        (False, 1, [candidate(1, 0.5, 0.1, within=False)], (0, False)),
        # What has fewer multiply-adds may take longer.
        (
            True,
            1,
            [
                candidate(1, 0.8, 0.9, share=0.95),
                candidate(2, 0.6, 0.9, share=1.1),
            ],
            (1, False),
        ),
        (True, 1, [candidate(1, 0.8, 0.9, share=1.05)], (0, False)),
    ],
)
def test_which_candidate_is_chosen(wanted, sign, rest, expected):
    measured = rest[0]["share"] is not None
    whole = [candidate(0, 1.0, 0.9, share=1.0 if measured else None), *rest]
    best, met = search.choose(whole, wanted, sign)
    assert (best["number"], met) == expected


# What it is measured by.


def test_the_interval_of_a_share():
    # Wilson's for 50 of 100: 0.5 +- 1.96 sqrt(0.25 / 100 + 1.96^2 / 4e4)
    # / (1 + 0.0384) = 0.5 +- 0.0962.
    low, high = quality.wilson(0.5, 100)
    np.testing.assert_allclose([low, high], [0.4038, 0.5962], atol=1e-4)
    assert quality.wilson(1.0, 100)[1] == pytest.approx(1.0)


def test_the_interval_of_a_mean_holds_nineteen_times_of_twenty():
    model = keras.Sequential([keras.Input((1,)), layers.Identity()])
    model.compile(loss=MSE, metrics=["mae"])
    held = 0
    draws = np.random.default_rng(0)
    for _ in range(8):
        y = draws.normal(size=(64, 1)).astype("float32")
        batches, count = quality.batched((np.zeros_like(y), y), 16)
        judge = quality.Quality(batches, count, "mae", -1, {})
        _, (low, high) = judge.measure(model)
        held += low < math.sqrt(2 / math.pi) < high
    assert held >= 6


@pytest.mark.parametrize(
    ("name", "sign"),
    [("val_accuracy", 1), ("auc", 1), ("mae", -1), ("loss", -1)],
)
def test_which_way_is_better(name, sign):
    assert quality.find_metric([name], name, "auto", "net") == (name, sign)


def test_the_rule_of_auto():
    def ways(target, method="auto"):
        return [(*way.values(),) for way in goals.get(target).ways(method)]

    one = {"latency": 0.5, "runtime": "keras"}
    for target in ({"flops": 0.5}, {"parameters": 0.5}, one, None):
        assert ways(target) == [
            ("taylor", "channel", "uniform"),
            ("taylor", "channel", "lamp"),
        ]
        assert ways(target, "snip") == [("snip",)]
    for target in (0.9, {"sparsity": 0.9}, {"bytes": 0.2}):
        assert ways(target) == [("magnitude",)]
    assert goals.get(0.9).size(0.4) == {"sparsity": 0.6}
    assert goals.get(one).size(0.4) == {"target": {"flops": 0.4}}
    sized = goals.get({"parameters": 0.5}).size(0.4)
    assert sized == {"target": {"parameters": 0.4}}
    assert goals.get(0.9).left == pytest.approx(0.1)
    assert goals.get({"bytes": 0.2}).runtime == "packed"
    assert goals.get({"bytes": 0.2}, "model.tflite").runtime == "litert"
    assert goals.get({"latency": 0.2}).runtime == "litert"


def test_arrays_come_in_one_order_from_any_step():
    read = training_data.steps((X, Y), None, 20, 3).read

    def batches(step, count):
        return [y.numpy().tolist() for _, y in read(step).take(count)]

    whole = batches(0, 6)
    assert batches(2, 4) == whole[2:]
    assert [len(one) for one in whole] == 2 * [20, 20, 8]
    for one in (whole[:3], whole[3:]):
        assert sorted(itertools.chain(*one)) == sorted(Y.tolist())
    assert whole[:3] != whole[3:]


@pytest.mark.parametrize("scaled", [False, True])
def test_a_rate_takes_the_place_of_a_schedule(scaled):
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    optimizer = keras.optimizers.SGD(schedule, momentum=0.7)
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    found = candidates._at_rate(optimizer, 0.03)
    assert type(found) is type(optimizer)
    found = getattr(found, "inner_optimizer", found)
    assert float(found.learning_rate) == pytest.approx(0.03)
    assert found.momentum == 0.7


def test_a_schedule_for_each_candidate(untimed, tmp_path):
    schedules = keras.optimizers.schedules

    def tuned(steps):
        rate = schedules.CosineDecay(0.01, steps)
        how = {"finetune": {"learning_rate": rate}, "directory": tmp_path}
        return compress(net(), target={"flops": 0.5}, step=0.8, **how)

    rate = schedules.CosineDecay(0.01, 4)
    found = candidates._at_rate(net().optimizer, rate)
    assert found.get_config()["learning_rate"]["config"]["decay_steps"] == 4
    assert tuned(4).candidates == tuned(4).candidates
    with pytest.raises(ValueError, match="finetune"):
        tuned(5)


# What comes out.


def test_half_the_multiply_adds(untimed, tmp_path):
    model = normed()
    x, y = examples(48, 6, 6, 2)
    before = model.get_weights()

    found = compress(
        model,
        (x[:32], y[:32]),
        (x[32:], y[32:]),
        target={"flops": 0.5},
        export=tmp_path / "small.keras",
        step=0.5,
    )

    first, *others = found.candidates
    ways = ["taylor, uniform", "taylor, lamp"]
    assert [one["method"] for one in others] == ways
    assert found.met
    last = found.chosen
    assert last["metric"] == max(one["metric"] for one in others)
    assert last["multiply_adds"] <= 0.5 * first["multiply_adds"]
    small = kprune.report(found.model)
    assert small.multiply_adds == last["multiply_adds"]
    assert found.model.count_params() < model.count_params()
    _, accuracy = found.model.evaluate(x[32:], y[32:], verbose=0)
    assert accuracy == pytest.approx(last["metric"])
    assert last["interval"][0] <= accuracy <= last["interval"][1]
    assert "16 examples of `validation`" in str(found)
    assert found.exported.path == tmp_path / "small.keras"
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("loss", [1, math.nan])
@pytest.mark.parametrize("better", ["uniform", "lamp"])
def test_the_search_goes_on_in_the_better_way(
    untimed, monkeypatch, better, loss
):
    x, y = examples(32, 6, 6, 2)
    measure = quality.Quality.measure
    made = []

    def favoured(self, model):
        made.append(model)
        number = len(made) - 1  # 0 is the model itself.
        bad = number in (1, 2) and ["uniform", "lamp"][number - 1] != better
        metric, interval = measure(self, model)
        return metric - loss if bad else metric, interval

    monkeypatch.setattr(quality.Quality, "measure", favoured)
    found = compress(normed(), (x, y), (x, y), target={"flops": 0.3}, step=0.35)
    _, *first, second, last = found.candidates
    ways = [one["method"] for one in first]
    assert ways == ["taylor, uniform", "taylor, lamp"]
    assert {second["method"], last["method"]} == {f"taylor, {better}"}
    parent = ways.index(f"taylor, {better}") + 1
    assert (second["parent"], last["parent"]) == (parent, second["number"])


@pytest.mark.parametrize("recalibrate", [True, False])
def test_batch_normalization_is_measured_again(untimed, recalibrate):
    x, y = examples(32, 6, 6, 2)
    found = compress(
        normed(),
        (x, y),
        (x, y),
        target=0.5,
        step=0.5,
        finetune={"recalibrate": recalibrate},
    )
    conv, norm = (found.model.get_layer(name) for name in ("conv", "norm"))
    reads = conv(x).numpy()
    equal = np.allclose(norm.moving_mean, reads.mean((0, 1, 2)), atol=1e-5)
    assert equal == recalibrate
    equal = np.allclose(norm.moving_variance, reads.var((0, 1, 2)), rtol=1e-4)
    assert equal == recalibrate


def test_a_sparsity_in_steps(untimed):
    found = compress(
        net(),
        target=np.float32(0.6),
        max_drop=np.int64(1),
        finetune={"epochs": np.int64(1)},
        distill=False,
    )
    # Three steps of 0.4 ** (1 / 3), at most 30 % each.
    sparsities = [one["sparsity"] for one in found.candidates]
    np.testing.assert_allclose(sparsities, [0, 0.263, 0.457, 0.6], atol=0.01)
    assert [one["parent"] for one in found.candidates] == [None, 0, 1, 2]
    assert kprune.report(found.model).sparsity == pytest.approx(0.6, abs=0.01)


def test_what_cannot_be_afforded(untimed):
    model = net()
    model.fit(X, Y, epochs=40, verbose=0)
    options = {"target": 0.98, "max_drop": 0.0, "step": 0.9, "distill": False}
    options |= {"finetune": {"learning_rate": 1e-9}}
    given = {"train": (X, Y), "validation": (X.copy(), Y)}
    with pytest.warns(UserWarning, match="No candidate meets"):
        found = compress(model, **given, **options)
    assert not found.met
    assert found.chosen["within"]
    assert found.chosen["metric"] >= found.candidates[0]["metric"]
    # Two steps or less, of which one is halved three times.
    assert 4 <= len(found.candidates) <= 6
    with pytest.raises(ValueError, match="No candidate meets"):
        compress(model, **given, **options, strict=True)


def test_times_are_those_of_the_runtime(monkeypatch):
    monkeypatch.setattr(costs, "_ROUNDS", 2)
    monkeypatch.setattr(costs, "_PROCESSES", 1)
    target = {"latency": 0.999, "runtime": "litert"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            goals.Goal, "is_met", lambda goal, one: one["sparsity"] > 0
        )
        patch.setattr(search, "BISECTIONS", 0)
        found = compress(net(), target=target, distill=False, step=0.5)
    one = found.candidates[1]
    assert found.runtime == "litert"
    low, high = one["latency_spread"]
    assert 0 < low <= one["latency_share"] <= high
    assert one["latency"] > 0
    # The new process decides whether it is met.
    assert [x["latency_processes"] for x in found.candidates[:2]] == [0, 1]


def test_a_target_of_time_is_met_by_what_new_processes_measure(monkeypatch):
    def as_if(*shares):
        found = itertools.chain(shares, itertools.repeat(shares[-1]))
        names = "latency", "latency_share", "latency_processes"
        return lambda *args: {
            "latency_spread": None,
            **dict.fromkeys(names, next(found)),
        }

    monkeypatch.setattr(costs.Clock, "measure", as_if(1.0, 0.4))
    monkeypatch.setattr(costs.Clock, "measure_in_processes", as_if(0.6))
    monkeypatch.setattr(search, "levels", lambda *shares: [0.5])
    target = {"latency": 0.5, "runtime": "litert"}
    with pytest.warns(UserWarning, match="No candidate meets"):
        found = compress(net(), target=target, distill=False)
    assert not found.met
    assert {one["latency_share"] for one in found.candidates[1:]} == {0.6}


# Models of all kinds.


@keras.saving.register_keras_serializable("tests_compression")
class OwnStep(keras.Model):
    """Trains in its own way, and counts how often it is asked to."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = layers.Dense(8, activation="relu", name="first")
        self.last = layers.Dense(3, name="last")

    def call(self, x):
        return self.last(self.first(x))

    def train_step(self, data):
        x, y, *_ = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"own": loss}


def own():
    keras.utils.set_random_seed(0)
    model = OwnStep()
    model(X)
    return compiled(model)


def test_a_file_that_no_new_process_can_load_is_timed_in_this_one(tmp_path):
    model = own()
    clock = costs.Clock(model, "keras", tmp_path)
    assert clock.measure_in_processes(model) == {}


def test_a_train_step_of_ones_own(untimed):
    found = compress(own(), target={"flops": 0.6}, step=0.5)
    assert found.met
    assert type(found.model) is OwnStep
    assert "own" in found.model.train_on_batch(X, Y, return_dict=True)


def test_several_outputs(untimed):
    keras.utils.set_random_seed(0)
    x = keras.Input((8,))
    hidden = layers.Dense(8, activation="relu", name="hidden")(x)
    classes = layers.Dense(3, name="classes")(hidden)
    model = keras.Model(x, [classes, layers.Dense(1, name="value")(hidden)])
    model.compile("adam", [CE, MSE], metrics=[["accuracy"], ["mae"]])
    y = (Y, X[:, 0])
    train, validation = (
        (X[p], tuple(one[p] for one in y)) for p in (slice(32), slice(32, 48))
    )

    found = compress(
        model, train, validation, target=0.5, step=0.5, metric="value_mae"
    )

    assert found.met
    assert len(found.model.outputs) == 2
    low, high = found.chosen["interval"]
    assert low < found.chosen["metric"] < high


def test_adapted_preprocessing(untimed):
    scale = layers.Normalization()
    scale.adapt(3 * X + 5)
    model = keras.Sequential([keras.Input((8,)), scale, *net().layers])
    found = compress(compiled(model), target={"flops": 0.6}, step=0.5)
    assert found.met
    kept = found.model.layers[0]
    np.testing.assert_array_equal(kept.mean, scale.mean)


def test_two_replicas(untimed):
    with two_replicas().scope():
        model = net()
    alone = compress(net(), target=0.5, step=0.5)
    found = compress(model, target=0.5, step=0.5)
    assert found.met
    pairs = zip(found.model.weights, alone.model.weights, strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_two_replicas_share_the_statistics_measured(untimed):
    x, y = examples(32, 6, 6, 2)
    with two_replicas().scope():
        model = normed()
    found = compress(model, (x, y), (x, y), target=0.5, step=0.5)
    conv, norm = (found.model.get_layer(name) for name in ("conv", "norm"))
    mean = conv(x).numpy().mean((0, 1, 2))
    np.testing.assert_allclose(norm.moving_mean, mean, atol=1e-5)


# Killed, and started again.


class Kills:
    """Ends a process, as it were, after some checkpoint that it writes."""

    def __init__(self, patch):
        self._save, self.left = CheckpointFiles.save, None
        self.count = 0
        patch.setattr(CheckpointFiles, "save", lambda *args: self._saved(*args))

    def _saved(self, files, step, state):
        self._save(files, step, state)
        self.count += 1
        if self.left == self.count:
            raise Killed


@pytest.fixture
def kills():
    with pytest.MonkeyPatch.context() as patch:
        yield Kills(patch)


def same(one, other):
    """Whether two compressions came to the same but for the seconds."""
    rows = [
        [{**row, "seconds": 0} for row in found.candidates]
        for found in (one, other)
    ]
    assert rows[0] == rows[1]
    pairs = zip(one.model.variables, other.model.variables, strict=True)
    for a, b in pairs:
        np.testing.assert_array_equal(a.numpy(), b.numpy(), a.path)


def killed_and_resumed(directory, kills, points, make=net, **options):
    """Checks that kills after some checkpoints change nothing."""
    options = {"target": 0.6, "finetune": {"epochs": 2}, **options}
    whole = compress(make(), directory=directory / "whole", **options)
    total, kills.count = kills.count, 0
    assert total >= max(points)
    place = directory / "killed"
    for point in points:
        kills.left = point
        with pytest.raises(Killed):
            compress(make(), directory=place, **options)
    kills.left = None
    same(compress(make(), directory=place, **options), whole)
    return total


def test_killed_in_the_middle_of_a_candidate(untimed, tmp_path, kills):
    # The model itself is the first to be saved; a candidate is so when it
    # begins, after each epoch, and when it is done.
    killed_and_resumed(tmp_path, kills, [3], step=0.6)


def test_killed_with_batch_normalization(untimed, tmp_path, kills):
    x, y = examples(48, 6, 6, 2)
    data = {"train": (x[:32], y[:32]), "validation": (x[32:], y[32:])}
    # In the first and in the second way of the first step: after an epoch of
    # training, and after the last, before the candidate is measured.
    points = [3, 4, 7, 8]
    data["target"] = {"flops": 0.5}
    killed_and_resumed(tmp_path, kills, points, normed, step=0.6, **data)


@pytest.mark.slow
def test_ten_kills(untimed, tmp_path, kills):
    killed_and_resumed(tmp_path, kills, range(2, 12))


def test_a_finished_one_is_read(untimed, tmp_path, monkeypatch):
    options = {"directory": tmp_path, "target": 0.5, "step": 0.5}
    found = compress(net(), **options)
    monkeypatch.setattr(kprune.training, "fit", None)  # Nothing is trained.
    again = compress(net(), **options)
    same(found, again)
    assert again.candidates == found.candidates
    with pytest.raises(ValueError, match="holds another compression"):
        compress(net(seed=5), **options)
    with pytest.raises(ValueError, match="validation"):
        compress(net(), validation=(X[:16], Y[:16]), **options)
    with pytest.raises(ValueError, match="  train: "):
        compress(net(), (TRAIN[0], TRAIN[1][::-1]), **options)
    with pytest.raises(ValueError, match="  train: "):
        batches = tf.data.Dataset.from_tensor_slices(TRAIN).batch(16)
        compress(net(), batches, **options)


@pytest.mark.parametrize("other", [{"count": "floor_keep"}, {"rounds": 2}])
def test_a_directory_knows_its_pruner(untimed, tmp_path, other):
    options = {"directory": tmp_path, "target": 0.5, "step": 0.5}
    compress(net(), method=kprune.Pruner("magnitude"), **options)
    with pytest.raises(ValueError, match="holds another compression"):
        compress(net(), method=kprune.Pruner("magnitude", **other), **options)


# What is refused.

GIVEN = {"target": 0.5}
REFUSED = {
    "no validation": ({"validation": None}, "no validation data"),
    "no budget": ({"target": None}, "`target`, `max_drop` or both"),
    "no such metric": ({"metric": "auc"}, "value of `metric`"),
    "target above 1": ({"target": {"flops": 1.5}}, r"target\['flops'\]"),
    "sparsity above 1": ({"target": 1.5}, r"target\['sparsity'\]"),
    "target of another cost": ({"target": {"heat": 0.5}}, "cost in `target`"),
    "two targets": (
        {"target": {"flops": 0.5, "bytes": 0.5}},
        "a sparsity, or a dict",
    ),
    "no such runtime": (
        {"target": {"latency": 0.5, "runtime": "abacus"}},
        r"target\['runtime'\]",
    ),
    "negative drop": ({"max_drop": -1}, "`max_drop`"),
    "no such method": ({"method": "magic"}, "method of prune"),
    "a teacher of other outputs": (
        {"distill": {"teacher": dense_net(classes=4)}},
        "Expected a teacher with the outputs",
    ),
    "options of a teacher": ({"distill": {"heat": 4}}, "`distill`"),
    "labels of no class": (
        {"validation": (X, np.full(48, 7))},
        "labels in `validation`",
    ),
    "a file of no format": ({"export": "small.txt"}, "small.txt"),
    "epochs": ({"finetune": 0}, "`finetune`"),
    "checkpoint": ({"finetune": {"checkpoint": "1 week"}}, "1 week"),
    "rate": ({"finetune": {"learning_rate": "cosine"}}, "or a Keras schedule"),
    "fine-tuning": ({"finetune": {"epoch": 1}}, "`finetune`"),
    "endless validation": (
        {"validation": batched(X, Y).repeat()},
        "has no end",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_refused(name, tmp_path, untimed):
    changed, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        compress(net(), directory=tmp_path / "new", **{**GIVEN, **changed})
    assert not (tmp_path / "new").exists()


def test_models_that_cannot_be_compressed():
    with pytest.raises(ValueError, match="is not compiled"):
        compress(dense_net(), **GIVEN)
    with pytest.raises(ValueError, match="with no metric"):
        compress(compiled(dense_net(), metrics=()), **GIVEN)
    pruned = compiled(kprune.prune(net(), "magnitude", 0.7))
    with pytest.raises(ValueError, match="met already"):
        compress(pruned, **GIVEN)
