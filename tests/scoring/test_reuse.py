"""What calls keep of a model: used again, never for another, gone with it."""

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf

import kprune
from kprune.masking import precision
from kprune.scoring import reuse
from tests.support import networks
from tests.support.networks import CE

DATA = networks.examples(16, 8)


def net(**options):
    return networks.dense_net(**options)


@pytest.fixture
def traces(monkeypatch):
    """Returns a list that grows with each trace of a loss, and each copy."""
    found, function, copy_in = [], tf.function, precision.copy_in

    def traced(compute=None, **options):
        own = getattr(compute, "func", compute)  # Keras traces its steps too.
        if getattr(own, "__module__", "").startswith("kprune.scoring"):
            found.append("trace")
        return function(compute, **options)

    def copied(*args):
        found.append("copy")
        return copy_in(*args)

    monkeypatch.setattr(tf, "function", traced)
    monkeypatch.setattr(precision, "copy_in", copied)
    return found


@pytest.mark.parametrize(
    "method, scoring, made",
    [
        ("force", {}, ["trace"]),
        ("synflow", {}, ["copy", "trace"]),
        ("force", {"precision": "float64"}, ["copy", "trace"]),
        ("snip", {"precision": "float64"}, ["copy"]),
    ],
)
def test_later_calls_on_a_model_take_up_what_the_first_has_made(
    method, scoring, made, traces
):
    model, how = net(), {"data": DATA, "loss": CE, "scoring": scoring}
    for sparsity in (0.5, 0.8):
        kprune.prune(model, method, sparsity, verbose=0, **how)
        # A loss object of the same settings is the same loss.
        how["loss"] = type(CE).from_config(CE.get_config())
    kprune.score(model, method, **how)
    assert traces == made


def test_updates_while_training_take_up_the_trace(traces):
    model = kprune.wrap(net(dropout=0.3))
    model.compile("sgd", CE)
    pruning = kprune.callbacks.GradualPruning(
        "snip", 0.5, data=DATA, every="2it", end="8it"
    )
    data = networks.batched(*DATA, size=4)
    model.fit(data, epochs=2, callbacks=[pruning], verbose=0)
    assert traces.count("trace") == 1


def freeze(model):
    model.get_layer("norm").trainable = False


def new_activation(model):
    model.get_layer("relu").negative_slope = 0.3


def assign(model):
    for variable in model.variables:
        if "float" in variable.dtype:
            variable.assign(2 * variable + 0.1)


def no_change(model):
    del model


CHANGES = {
    "frozen": (freeze, {}),
    "rate": (new_activation, {}),
    "values": (assign, {}),
    "statistics": (assign, {"scoring": {"batch_norm": "eval"}}),
    "mode": (no_change, {"scoring": {"batch_norm": "eval"}}),
    "temperature": (no_change, {"scoring": {"temperature": 3.0}}),
    "loss": (no_change, {"loss": "sparse_categorical_crossentropy"}),
    "reading": (no_change, {"loss": type(CE)(from_logits=False)}),
    "own loss": (no_change, {"loss": lambda y, z: tf.reduce_sum(z**2, -1)}),
    "excluded": (no_change, {"exclude": ("a",)}),
    "batch": (no_change, {"data": networks.examples(9, 8, seed=4)}),
    "weighted": (no_change, {"data": (*DATA, np.arange(16.0))}),
}


@pytest.mark.parametrize("method", ["force", "synflow", "snip"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.filterwarnings("ignore")
def test_what_has_changed_is_not_served_an_old_trace(method, change):
    changed, given = CHANGES[change]
    traced = {"compiled": True, "precision": "float64"}
    given = {"method": method, "data": DATA, "loss": CE, **given}
    given["scoring"] = {**traced, **given.get("scoring", {})}
    before = {"method": method, "data": DATA, "loss": CE, "scoring": traced}

    used, fresh = net(), net()
    kprune.score(used, **before)
    changed(used), changed(fresh)
    found, expected = (kprune.score(m, **given) for m in (used, fresh))
    assert found.keys() == expected.keys()
    for name, scores in expected.items():
        np.testing.assert_array_equal(found[name], scores, err_msg=name)


def test_a_model_of_ones_own_classes_keeps_nothing():
    class Own(keras.layers.Layer):
        factor = 1.0

        def call(self, x):
            return self.factor * x

    scoring = {"compiled": True}
    layers = Own(), keras.layers.Dense(3)
    model = networks.sequential((8,), *layers, seed=0)
    how = {"data": DATA, "loss": CE, "scoring": scoring}
    name = model.layers[-1].name + "/kernel"
    before = kprune.score(model, "snip", **how)[name]
    model.layers[0].factor = 0.0
    assert before.any() and not kprune.score(model, "snip", **how)[name].any()


def own(y_true, y_pred):
    return y_pred


@pytest.mark.parametrize(
    "loss, kept",
    [
        (CE, True),
        ("mse", True),
        ("MeanSquaredError", True),
        (keras.losses.mean_squared_error, True),
        ({"a": CE, "b": None}, True),
        (own, False),
        ([CE, own], False),
        (type("Own", (type(CE),), {})(), False),
    ],
)
def test_losses_that_can_be_told_apart(loss, kept):
    key = reuse.loss_key(loss)
    assert (key is not None) == kept
    assert key is None or hash(key) == hash(reuse.loss_key(loss))


def test_what_is_under_way_is_not_shared():
    model = net()
    first, second = (kprune.Objective(model, DATA, CE) for _ in range(2))
    flows = [one.flow_scores(one.weights, one.masks) for one in (first, second)]
    assert first.shared.flow(1) is not second.shared.flow(1)
    for name, scores in flows[0].items():
        np.testing.assert_array_equal(scores, flows[1][name])
    first.hand_on()
    third = kprune.Objective(model, DATA, CE)
    kept = third.shared.flow(1)
    third.hand_on()
    second.hand_on()  # The latest is kept.
    assert kprune.Objective(model, DATA, CE).shared.flow(1) is not kept


def test_few_are_kept_and_no_large_copy(monkeypatch):
    model, kept = net(), None
    for batch_norm in ("train", "eval"):
        for dropout in (False, True):
            for excluded in ((), ("a",)):
                scoring = {"batch_norm": batch_norm, "dropout": dropout}
                scoring["compiled"] = True
                how = {"scoring": scoring, "exclude": excluded}
                kprune.score(model, "snip", data=DATA, loss=CE, **how)
    kept = reuse._kept(model)
    assert len(kept) == 4
    monkeypatch.setattr(reuse, "_LARGEST", 100)
    kprune.score(model, "synflow")
    assert not any(key[0] == "flow" for key in kept)


def count(*classes):
    gc.collect()
    gc.collect()
    return sum(isinstance(x, classes) for x in gc.get_objects())


@pytest.mark.slow
def test_two_hundred_calls_on_fresh_models_leave_nothing_behind():
    from tensorflow.python.framework.func_graph import FuncGraph

    def calls(number):
        for seed in range(number):
            model = net(units=4, seed=seed)
            how = {"data": DATA, "loss": CE, "verbose": 0}
            scoring = {"compiled": True}
            kprune.prune(model, "snip", 0.5, scoring=scoring, **how)
            if seed % 4 == 0:
                kprune.prune(model, "synflow", 0.5, rounds=2, verbose=0)

    kinds = FuncGraph, keras.layers.Layer, reuse.Reusable, keras.Variable
    calls(2)
    before = count(*kinds)
    calls(200)
    assert count(*kinds) <= before
