"""What all callbacks promise: to resume to the bit, on replicas, and in files.

The callbacks are found, not listed: a new one fails here until CASES says
how to make it. Their methods are those of `kprune.methods`.
"""

import importlib
import json
import pkgutil

import keras
import numpy as np
import pytest
from interruption import Kill, assert_resumes
from lifecycle import assert_same, pruned_values, saved_and_loaded
from networks import CE, batched, dense_net, two_replicas
from short_fits import OPTIONS, X, Y

import kprune
from kprune.callbacks import regularization
from kprune.experiment.log import MetricsLog
from kprune.masking import weights
from kprune.tickets import forgetting, mask_convergence, rewinding

EPOCHS = 3
SLOW = pytest.mark.slow


class Judge:
    """Says which examples a model is right about."""

    def right(self, model, places):
        return np.argmax(model(X[places]), 1) == Y[places]


def signs(model):
    return {"a": model.get_layer("a").kernel.numpy() > 0}


def masked(**net):
    return kprune.prune(dense_net(**net), "random", 0.6, allocation="erk")


def wrapped(**net):
    return kprune.wrap(dense_net(**net))


def chosen():
    return kprune.select(dense_net(norm=False), "biprop", 0.5)


def mined():
    return kprune.select(dense_net(norm=False), "gem_miner")


def soft():
    return kprune.learned.soft_threshold(dense_net())


def by_magnitude():
    """A model of TFMOT's calls, whose masks follow a schedule."""
    sparsity = kprune.tfmot.sparsity.keras
    schedule = sparsity.PolynomialDecay(0.2, 0.6, 0, 12, frequency=2)
    return sparsity.prune_low_magnitude(dense_net(), schedule)


def by_method(name):
    return lambda method: getattr(kprune.callbacks, name)(
        method, **OPTIONS.get(method, {})
    )


# Of each class of callbacks: a model, and what makes one.
CASES = {
    "DynamicSparseTraining": (masked, by_method("DynamicSparseTraining")),
    "EarlyBird": (
        dense_net,
        lambda _: kprune.callbacks.EarlyBird(
            "magnitude", 0.5, window=2, stop=False
        ),
    ),
    "EarlyCroP": (
        wrapped,
        lambda _: kprune.callbacks.EarlyCroP(
            "crop", 0.5, latest=2, data=(X, Y), scoring={"batches": 1}
        ),
    ),
    "Forgetting": (
        dense_net,
        lambda _: forgetting.Forgetting(Judge(), np.arange(20)),
    ),
    "GemMiner": (mined, lambda _: kprune.learned.GemMiner(0.8, every=1)),
    "GlobalSelection": (
        chosen,
        lambda _: kprune.learned.GlobalSelection(0.5, epochs=2),
    ),
    "GradualPruning": (wrapped, by_method("GradualPruning")),
    "GroupLasso": (
        dense_net,
        lambda _: regularization.GroupLasso(data=(X, Y)),
    ),
    "GrowingRegularization": (wrapped, by_method("GrowingRegularization")),
    "MovementPruning": (
        wrapped,
        lambda _: kprune.callbacks.MovementPruning(
            0.5, every=3, end="90%", granularity=kprune.Block((2, 2))
        ),
    ),
    "MetricsLog": (masked, lambda _: MetricsLog(None)),
    "Settling": (
        dense_net,
        lambda _: mask_convergence.Settling(signs, 128, 0.01, 9),
    ),
    "SparsityLogger": (soft, lambda _: kprune.callbacks.SparsityLogger()),
    "UpdatePruningStep": (
        by_magnitude,
        lambda _: kprune.tfmot.sparsity.keras.UpdatePruningStep(),
    ),
    "TakePoint": (dense_net, lambda _: rewinding.TakePoint(9, signs)),
    "WeightRecycling": (
        chosen,
        lambda _: kprune.learned.WeightRecycling(0.2, every=1),
    ),
}
QUICK = {  # One method of each; the others are slow tests.
    "DynamicSparseTraining": "rigl",
    "GradualPruning": "gmp",
    "GrowingRegularization": "greg2",
    "MovementPruning": "movement",
}


def found():
    """Names of kprune's callbacks, but for bases that are not public, the
    checkpoint, and what tells trackers and searches, which have tests of their
    own."""
    classes = set()
    for info in pkgutil.walk_packages(kprune.__path__, "kprune."):
        for one in vars(importlib.import_module(info.name)).values():
            if isinstance(one, type) and issubclass(
                one, keras.callbacks.Callback
            ):
                classes.add(one)
    bases = {base for one in classes for base in one.__bases__}
    bases = {x for x in bases if x.__name__ not in kprune.callbacks.__all__}
    return {
        one.__name__
        for one in classes - bases
        if one.__module__.startswith("kprune.") and one.__name__[0] != "_"
    } - {"Checkpoint", "PruningSummaries", "Recording", "Reporter"}


def cases(*names):
    """Params of (name of a class, method, batches to be killed after)."""
    params = []
    for name in names:
        quick = QUICK.get(name, "")
        methods = list(kprune.methods(name)) if quick else []
        params.append(pytest.param(name, quick, [8], id=f"{name}-{quick}"))
        params += [
            pytest.param(name, method, [1, 8, 13], marks=SLOW)
            for method in methods or [""]
        ]
    return params


def test_every_callback_is_tried_here():
    assert found() == set(CASES)


def model_and_callback(name, method, **net):
    make, callback = CASES[name]
    keras.utils.set_random_seed(5)
    model = make(**net)
    sgd = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(sgd, CE)
    return model, callback(method)


def trained(model, callback, directory, kill, every="1it"):
    return kprune.training.fit(
        model,
        batched(X, Y),
        EPOCHS,
        checkpoint=kprune.callbacks.Checkpoint(directory, every),
        callbacks=[callback, Kill(kill)],
        verbose=0,
    )


def state(callback):
    """What a callback remembers, but for times, as text."""
    get = getattr(callback, "get_state", dict)
    remembered = {k: v for k, v in get().items() if k != "seconds"}
    if "lines" in remembered:
        lines = [json.loads(line) for line in remembered["lines"]]
        remembered["lines"] = [{**line, "seconds": None} for line in lines]
    return json.dumps(remembered, default=lambda a: np.asarray(a).tolist())


@pytest.mark.parametrize("name, method, steps", cases(*CASES))
def test_killed_resumed_saved_and_loaded(name, method, steps, tmp_path):
    ends, every = [], "7it" if steps == [8] else "1it"

    def train(directory, kill):
        model, callback = model_and_callback(name, method)
        history = trained(model, callback, directory, kill, every)
        ends.append((model, state(callback)))
        return model, history

    assert_resumes(train, steps, tmp_path)
    assert len({remembered for _, remembered in ends}) == 1
    model = ends[-1][0]
    loaded = saved_and_loaded(model, tmp_path)
    assert_same(loaded.get_weights(), model.get_weights())
    assert_same(loaded(X), model(X))


def test_a_callback_that_forgets_is_found_out(tmp_path):
    def train(directory, kill):
        model, callback = model_and_callback("GradualPruning", "gmp")
        callback.set_state = lambda state: None
        return model, trained(model, callback, directory, kill)

    with pytest.raises((AssertionError, TypeError)):
        assert_resumes(train, [8], tmp_path)


@pytest.mark.parametrize("name, method, steps", cases(*QUICK))
def test_two_replicas_have_the_same_masks(name, method, steps):
    plain = {"norm": False, "dropout": 0}
    with two_replicas().scope():
        model, callback = model_and_callback(name, method, **plain)
    start = kprune.get_masks(model)
    history = model.fit(
        batched(X, Y), epochs=EPOCHS, callbacks=[callback], verbose=0
    )
    assert np.isfinite(history.history["loss"]).all()
    masks = kprune.get_masks(model)
    moved = any((masks[n] != start[n]).any() for n in masks)
    assert moved or method == "static"
    for weight in weights.find(model):
        for variable in (weight.mask, weight.variable):
            one, other = (v.numpy() for v in variable.value.values)
            np.testing.assert_array_equal(one, other)
    assert not pruned_values(model).any() or method == "dns"
