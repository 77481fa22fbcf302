"""Masks that move in `fit`: what must hold after every update."""

import itertools
import warnings

import cluster
import keras
import numpy as np
import pytest
import tensorflow as tf
from interruption import Kill, Killed
from lifecycle import assert_same, pruned_values
from networks import CE, batched, conv_net, examples, two_replicas
from short_fits import OPTIONS

import kprune
from kprune.callbacks import DynamicSparseTraining, dynamic
from kprune.callbacks.dynamic import callback as callback_module
from kprune.callbacks.dynamic.apply_update import apply_update
from kprune.masking import weights
from kprune.runtime import keras_internals
from kprune.scoring.network import Network

STEPS, EPOCHS = 6, 3
RISING = ("granet", "acdc", "dpf")
SLOW = pytest.mark.slow
X, Y = examples(STEPS * 8, 6, 6, 1)


def slow(*values):
    return [pytest.param(value, marks=SLOW) for value in values]


def plain(norm=False):
    return conv_net((6, 6, 1), units=10, norm=norm)


def found(model):
    return weights.prunable(model)


def slots(model, weight):
    return keras_internals.slots(model.optimizer, weight.variable)


def assert_no_longer_live(model):
    """Nothing is stored under the masks, and nothing trains there."""
    for wrapper in kprune.masking.wrapping.wrappers(model):
        assert not (wrapper.keep_pruned_values or wrapper.dense_gradients)
    assert not pruned_values(model).any()


def compiled(model, optimizer=None, **options):
    optimizer = optimizer or keras.optimizers.SGD(0.05, momentum=0.9)
    model.compile(optimizer, CE, **options)
    return model


def network(optimizer=None, model=None, **options):
    model = kprune.prune(model or plain(), "random", 0.6, allocation="erk")
    return compiled(model, optimizer, **options)


def callback(method, **options):
    own = OPTIONS.get(method, {"every": "2it"})
    return DynamicSparseTraining(method, **own | options)


def fit(model, *callbacks, **kwargs):
    arguments = {"epochs": EPOCHS, "verbose": 0} | kwargs
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`shuffle=True`")
        return model.fit(batched(X, Y), callbacks=list(callbacks), **arguments)


@pytest.fixture
def updates(monkeypatch):
    """The updates of a training, checked where they are made."""
    made, apply = [], apply_update

    def checked(model, moving, before, change, keeps_slots):
        momenta = {
            n: [s.numpy() for s in slots(model, w)] for n, w in moving.items()
        }
        apply(model, moving, before, change, keeps_slots)
        for name, weight in found(model).items():
            mask, old = weight.mask.numpy(), before[name]
            np.testing.assert_array_equal(mask, change.masks[name])
            value = weight.variable.numpy()
            if not weight.keep_pruned_values:
                assert not value[~mask].any()
            new = change.fresh[name] if change.fresh else mask & ~old
            if change.weights is None:
                assert not value[new].any()
            for slot, was in zip(
                slots(model, weight), momenta[name], strict=True
            ):
                if keeps_slots:
                    np.testing.assert_array_equal(slot.numpy(), was)
                else:
                    assert not slot.numpy()[new | (old & ~mask)].any()
        kept = {n: int(m.sum()) for n, m in change.masks.items()}
        step = int(model.optimizer.iterations.numpy())
        moved = {n: change.masks[n] ^ before[n] for n in before}
        made.append((step, kept, sum(int(m.sum()) for m in moved.values())))

    monkeypatch.setattr(callback_module, "apply_update", checked)
    return made


@pytest.mark.parametrize("method", kprune.methods("DynamicSparseTraining"))
def test_what_must_hold_after_every_update(method, updates):
    model = network()
    before = {n: int(m.sum()) for n, m in kprune.get_masks(model).items()}
    moving = callback(method)
    history = fit(model, moving).history
    assert (sum(moved for *_, moved in updates) > 0) == (method != "static")
    for _, kept, _ in updates:
        if method not in ("soft_deepr", "dns", "srigl", *RISING):
            assert sum(kept.values()) == sum(before.values())
        if method in ("rigl", "set", "deepr", "mest", "cht", "top_kast"):
            assert kept == before
    if method in RISING:  # Of 36, 640 and 30 weights.
        assert history["kept"][-1] == round(0.2 * 706)
    total = sum(m.size for m in kprune.get_masks(model).values())
    changed = sum(moved for *_, moved in updates)
    np.testing.assert_allclose(sum(history["mask_churn"]), changed / total)
    masks = kprune.get_masks(model)
    assert history["kept"][-1] == sum(int(m.sum()) for m in masks.values())
    assert history["sparsity"][-1] == (total - history["kept"][-1]) / total
    assert history["exploration"][-1] == moving.exploration
    assert history["overlap"][-1] == moving.overlap
    # After training the model is as sparse as it says, and is itself again.
    assert_no_longer_live(model)
    stripped = kprune.strip(model)
    np.testing.assert_allclose(stripped(X), model(X), atol=1e-6)


def test_when_updates_come(updates):
    # 18 steps, 90 % are 16.2: after 2, 4 ... 14 batches, of which the update
    # itself uses up one. So the optimizer has made 2, 3 ... 8 steps.
    model = network()
    fit(model, callback("rigl"))
    assert [step for step, *_ in updates] == list(range(2, 9))
    assert int(model.optimizer.iterations) == 11
    # Those that follow take all 18 steps.
    for moving, steps in (
        (callback("rigl", skip_step=False, begin="5it"), [7, 9, 11, 13, 15]),
        (callback("set", every="1ep"), [6, 12]),
    ):
        updates.clear()
        before = int(model.optimizer.iterations)
        fit(model, moving)
        assert [step - before for step, *_ in updates] == steps
        assert int(model.optimizer.iterations) == before + 18


@pytest.mark.parametrize("skip_step", [True, pytest.param(False, marks=SLOW)])
def test_rigl_grows_the_top_of_the_dense_gradient(skip_step, monkeypatch):
    model = network(model=plain(norm=True))
    checked, apply = [], apply_update

    def check(model, weights, before, change, keeps_slots):
        # The batch of step 4, through a plain copy with the zeros in place.
        copy = kprune.strip(model)
        kernel = copy.get_layer("fc1").kernel
        with tf.GradientTape() as tape:
            loss = CE(Y[32:40], copy(X[32:40], training=True))
        gradient = np.abs(tape.gradient(loss, kernel).numpy())
        size = np.abs(model.get_layer("fc1").kernel.numpy())
        active, after = before["fc1/kernel"], change.masks["fc1/kernel"]
        # f = 0.5 / 2 (1 + cos(pi 4 / 16)).
        f = 0.25 * (1 + np.cos(np.pi * 4 / 16))
        count = int(f * active.sum())
        kept = active & (size > np.sort(size[active])[count - 1])
        free = np.sort(gradient[~kept])[::-1]
        grown = ~kept & (gradient >= free[count - 1])
        np.testing.assert_array_equal(after, kept | grown)
        stay = kept | (grown & active)
        assert (grown & ~active).any()
        apply(model, weights, before, change, keeps_slots)
        now = model.get_layer("fc1").kernel.numpy()
        np.testing.assert_array_equal(np.abs(now)[stay], size[stay])
        assert not now[grown & ~active].any()
        checked.append(count)

    monkeypatch.setattr(callback_module, "apply_update", check)
    moving = callback("rigl", every="4it", end="16it", skip_step=skip_step)
    fit(model, moving, epochs=1)
    assert len(checked) == 1


@pytest.mark.parametrize("method", ["rigl", *slow("set", "deepr")])
def test_several_steps_per_execution(method):
    one, several = network(), network(steps_per_execution=3)
    first = fit(one, callback(method)).history
    second = fit(several, callback(method)).history
    assert_same(kprune.get_masks(several), kprune.get_masks(one))
    for a, b in zip(one.variables, several.variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-5)
    assert one.optimizer.iterations == several.optimizer.iterations
    for name, values in first.items():
        np.testing.assert_allclose(second[name], values, atol=1e-4)


@pytest.mark.parametrize(
    ("execution", "options", "given", "expected"),
    [
        # The data cut executions of four short: 0-3, 4-5.
        (4, {"every": "5it"}, {}, [5, 10, 15]),
        # Steps 6 to 18, of which 8, 12 and 16 are due.
        (1, {"every": "4it"}, {"initial_epoch": 1}, [2, 6, 10]),
    ],
)
def test_steps_are_counted_from_the_first(
    execution, options, given, expected, updates
):
    model = network(steps_per_execution=execution)
    fit(model, callback("set", **options), **given)
    assert [step for step, *_ in updates] == expected


def test_an_update_with_the_first_batch_of_an_epoch():
    model = network(metrics=["accuracy"])
    history = fit(model, callback("rigl", every="6it", end="100%"))
    assert set(history.history) >= {"loss", "accuracy", "mask_churn"}
    assert all(len(v) == EPOCHS for v in history.history.values())
    assert all(loss > 0 for loss in history.history["loss"])


def test_data_of_unknown_length(updates):
    def batches():
        for _ in range(EPOCHS):
            for start in range(0, len(X), 8):
                yield X[start : start + 8], Y[start : start + 8]

    model = network()
    moving = callback("rigl", every="4it", end="12it")
    model.fit(batches(), callbacks=[moving], verbose=0)
    assert [step for step, *_ in updates] == [4, 7]
    with pytest.raises(ValueError, match="`total_steps`"):
        model.fit(batches(), callbacks=[callback("rigl")], verbose=0)


@SLOW
def test_two_replicas_grow_by_the_gradient_of_the_whole_batch(monkeypatch):
    seen, update = [], dynamic.RigL.update

    def watch(self, moment):
        seen.append(moment.gradients)
        return update(self, moment)

    monkeypatch.setattr(dynamic.RigL, "update", watch)

    one = network(model=plain())
    with two_replicas().scope():
        two = network(model=plain())
    for model in (one, two):
        fit(model, callback("rigl", every="1it", end="2it"), epochs=1)
    for name in seen[0]:
        np.testing.assert_allclose(seen[1][name], seen[0][name], atol=1e-6)
        assert np.abs(seen[0][name]).max() > 1e-3


@SLOW
def test_two_workers_have_the_same_masks(tmp_path):
    cluster.run(
        "tests/support/rewired_on_workers.py",
        *(["rigl", tmp_path / f"{index}.npz"] for index in range(2)),
    )
    one, two = (dict(np.load(tmp_path / f"{i}.npz")) for i in range(2))
    assert 0 < one["overlap"] < 1
    for name in ("a/kernel", "b/kernel"):
        np.testing.assert_array_equal(one[name], two[name])


@SLOW
@pytest.mark.parametrize("how", ["jit_compile", "run_eagerly"])
def test_other_ways_to_run_a_step(how, updates):
    fit(network(**{how: True}), callback("rigl"), epochs=2)
    assert len(updates) > 2 and all(moved > 0 for *_, moved in updates[:2])


def test_excluded_weights_stay_dense_and_sparse_momentum_is_dense():
    model = kprune.prune(
        plain(), "random", 0.6, allocation="erk", exclude=["fc2"]
    )
    history = fit(compiled(model), callback("snfs")).history
    masks = kprune.get_masks(model)
    assert masks.pop("fc2/kernel").all()
    total = sum(mask.size for mask in masks.values())
    kept = sum(mask.sum() for mask in masks.values())
    assert history["sparsity"][-1] == (total - kept) / total
    momenta = {n: slots(model, w) for n, w in found(model).items()}
    for name, mask in masks.items():
        (momentum,) = momenta[name]
        assert mask.all() or np.abs(momentum.numpy()[~mask]).max() > 0


@pytest.mark.parametrize("optimizer", ["adam", *slow("torch", "float16")])
def test_momenta_of_other_optimizers(optimizer, updates):
    if optimizer == "float16":
        sgd = keras.optimizers.SGD(0.01, momentum=0.9)
        scaled = keras.optimizers.LossScaleOptimizer(sgd)
        keras.config.set_dtype_policy("mixed_float16")
        model = network(scaled)
    else:
        torch = kprune.training.TorchSGD(0.05, momentum=0.9)
        model = network({"adam": "adam", "torch": torch}[optimizer])
    fit(model, callback("snfs"))
    assert sum(moved for *_, moved in updates) > 0


def test_dns_brings_weights_back():
    # What lives under the masks is trained, so that weights come back.
    model = compiled(kprune.wrap(plain()))
    moving = callback("dns", every="1it", end="100%")
    changes = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            weight = found(self.model)["fc1/kernel"]
            assert weight.keep_pruned_values
            mask = weight.mask.numpy()
            if not mask.all():
                assert np.abs(weight.variable.numpy()[~mask]).max() > 0
            changes.append(mask)

    fit(model, moving, Look())
    came = [b & ~a for a, b in itertools.pairwise(changes)]
    went = [a & ~b for a, b in itertools.pairwise(changes)]
    assert sum(c.sum() for c in came) > 0 and sum(w.sum() for w in went) > 0


def test_an_updater_of_ones_own(updates):
    class Oldest(dynamic.MaskUpdater):
        def drop_scores(self, moment):
            return {n: -np.abs(w) for n, w in moment.weights.items()}

    fit(network(), DynamicSparseTraining(Oldest(0.2), every="5it"))
    assert [step for step, *_ in updates] == [5, 10]
    assert all(moved > 0 for *_, moved in updates)


@pytest.mark.parametrize("method", ["set", "dns"])
def test_it_is_off_when_training_is_over(method, updates):
    model, moving = network(), callback(method, every="1it")
    with pytest.raises(Killed):
        fit(model, moving, Kill(4))
    masks = kprune.get_masks(model)
    updates.clear()
    fit(model, epochs=1)  # The callback is not among this one's.
    assert updates == []
    assert_same(kprune.get_masks(model), masks)
    fit(model, moving, epochs=1)
    assert updates
    assert_no_longer_live(model)
    updates.clear()
    fit(model, epochs=1)
    assert updates == []


def test_models_that_do_not_fit():
    with pytest.raises(ValueError, match="no masks"):
        fit(compiled(plain()), callback("rigl"))
    with pytest.raises(ValueError, match="Model 'net' is dense"):
        fit(compiled(kprune.wrap(plain())), callback("rigl"))
    with pytest.raises(ValueError, match="momentum"):
        fit(network(keras.optimizers.SGD(0.1)), callback("snfs"))
    model = kprune.prune(plain(), "random", 0.6, exclude=["conv", "fc1"])
    model.get_layer("fc2").trainable = False
    with pytest.raises(ValueError, match="has no mask to update"):
        fit(compiled(model), callback("rigl"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "rigel"}, "Did you mean 'rigl'"),
        ({"method": "snip"}, r"used as `kprune\.prune.*Expected.*rigl"),
        ({"method": "deepr", "every": "10it"}, "after each step"),
        ({"method": "static", "every": "10it"}, "acts never"),
        ({"every": "10 steps"}, "Expected a duration"),
        ({"drop_fraction": 2}, "`drop_fraction`"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_arguments_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        DynamicSparseTraining(**options)


def test_a_training_without_updates_is_warned_of():
    model = network()
    with pytest.warns(UserWarning, match="No update of the masks will come"):
        fit(model, DynamicSparseTraining("rigl"))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "No update")
        fit(model, callback("static"))


def test_the_next_training_takes_the_trace_of_the_last(monkeypatch):
    made = []
    derivatives = Network.derivatives

    def counted(*args):
        made.append(args)
        return derivatives(*args)

    monkeypatch.setattr(Network, "derivatives", counted)
    model = network()
    for _ in range(2):
        model.fit(X, Y, 8, verbose=0, callbacks=[every_step("rigl")])
    assert len(made) == 1
    model.compile("sgd", keras.losses.CategoricalFocalCrossentropy())
    y = keras.utils.to_categorical(Y, model.output_shape[-1])
    model.fit(X, y, 8, verbose=0, callbacks=[every_step("rigl")])
    assert len(made) == 2


def every_step(name):
    return DynamicSparseTraining(name, every=1)
