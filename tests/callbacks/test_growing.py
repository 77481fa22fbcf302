"""Growing penalties: lambda by hand, and exact counts."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from interruption import Kill, Killed
from lifecycle import pruned_values
from networks import CE, batched, sequential
from short_fits import Stop, X, Y, data, net

import kprune
from kprune.callbacks import GrowingRegularization
from kprune.masking import weights

# Ends after 4 * 3 + 4 = 16 of 24 steps.
SHORT = {"every": 3, "increment": 0.25, "stabilize": 4}


def linear(values, regularizer=None, **compiled):
    """A model of one kernel, w, whose task has no gradient: its target is
    what it gives on inputs of zeros."""
    dense = keras.layers.Dense(
        1, use_bias=False, kernel_regularizer=regularizer, name="a"
    )
    model = kprune.wrap(sequential((len(values),), dense))
    model.compile(keras.optimizers.SGD(0.1), "mse", **compiled)
    kernel(model).assign(np.reshape(values, (-1, 1)))
    return model


def kernel(model, name="a"):
    return model.get_layer(name).layer.kernel


class Watch(keras.callbacks.Callback):
    """Records the kernel `a` after each step."""

    def on_train_begin(self, logs=None):
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(np.ravel(kernel(self.model)).tolist())


def drawn_to_zero(model, growing, steps):
    """Returns the kernel after each step."""
    x, y = np.zeros((steps, kernel(model).shape[0])), np.zeros((steps, 1))
    watch = Watch()
    model.fit(x, y, 1, callbacks=[growing, watch], verbose=0)
    return watch.seen


def trained(*arguments, model=None, epochs=3, initial=0, also=(), **options):
    """Returns the model and the history of a short training."""
    growing = GrowingRegularization(*arguments, **{**SHORT, **options})
    model = model or net()
    history = model.fit(
        data(),
        epochs=epochs,
        initial_epoch=initial,
        callbacks=[growing, *also],
        verbose=0,
    )
    return model, history.history


def kept(model):
    found = kprune.get_masks(model)
    return {name: int(mask.sum()) for name, mask in found.items()}


# The gradient.


def test_the_gradient_is_that_of_the_task_and_lambda_w():
    model = net(keras.optimizers.SGD(0.1), run_eagerly=True)
    model.get_layer("drop").rate = 0.0
    growing = GrowingRegularization(
        "greg1", 0.5, every=1, increment=0.25, stabilize=0
    )
    before, after = {}, {}

    class Look(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            for name, weight in weights.prunable(self.model).items():
                before[batch, name] = weight.variable.numpy()
            before[batch, "gradients"] = task_gradients(self.model)

        def on_train_batch_end(self, batch, logs=None):
            for name, weight in weights.prunable(self.model).items():
                after[batch, name] = weight.variable.numpy()

    # Four steps on the same batch: lambda is 0, 0.25, 0.5 and 0.75.
    x, y = np.tile(X[:8], (4, 1)), np.tile(Y[:8], 4)
    callbacks = [growing, Look()]
    model.fit(x, y, 8, callbacks=callbacks, shuffle=False, verbose=0)
    for name in ("a/kernel", "b/kernel"):
        size = np.abs(before[0, name])
        picked = size <= np.sort(size, None)[size.size // 2 - 1]
        for step in range(3):
            strength = 0.25 * step * picked
            w = before[step, name]
            gradient = before[step, "gradients"][name] + strength * w
            expected = w - 0.1 * gradient
            np.testing.assert_allclose(
                after[step, name], expected, atol=1e-6, err_msg=str(step)
            )
        assert not after[3, name][picked].any()
        assert after[3, name][~picked].all()


def task_gradients(model):
    variables = {n: w.variable for n, w in weights.prunable(model).items()}
    with tf.GradientTape() as tape:
        loss = CE(Y[:8], model(X[:8], training=True))
    values = [v.value for v in variables.values()]
    found = tape.gradient(loss, values)
    return {n: g.numpy() for n, g in zip(variables, found, strict=True)}


def test_greg_1_against_steps_by_hand():
    # The two smallest are picked. lambda is 0, 0, 0.5, 0.5, 1: each step
    # times 1 - 0.1 lambda. Then they go, and nothing moves.
    growing = GrowingRegularization(
        "greg1", 0.5, every=2, increment=0.5, stabilize=1
    )
    model = linear([1.0, -4.0, 2.0, 3.0])
    seen = drawn_to_zero(model, growing, 6)
    factors = np.cumprod([1, 1, 0.95, 0.95, 0.9])
    expected = [[f, -4, 2 * f, 3] for f in factors[:4]]
    np.testing.assert_allclose(seen[:4], expected, rtol=1e-6)
    assert seen[4:] == [[0, -4, 0, 3]] * 2
    mask = np.ravel(kprune.get_masks(model)["a/kernel"])
    assert mask.tolist() == [False, True, False, True]


def test_greg_2_picks_late_and_lets_the_others_recover():
    growing = GrowingRegularization(
        "greg2",
        0.5,
        every=1,
        pick_increment=0.5,
        pick_ceiling=0.5,
        increment=1.0,
        ceiling=1.5,
        on_others=-0.1,
        stabilize=1,
    )
    # One step at 0, then picked at 0.5, a step at that and one at 1.5.
    model = linear([1.0, 2.0])
    seen = drawn_to_zero(model, growing, 4)
    np.testing.assert_allclose(seen[0], [1, 2], rtol=1e-6)
    np.testing.assert_allclose(seen[1], [0.95, 2 * 1.01], rtol=1e-6)
    np.testing.assert_allclose(seen[2], [0, 2 * 1.01**2], rtol=1e-6)
    assert seen[3] == seen[2]
    assert kept(model) == {"a/kernel": 1}


def test_dlth_picks_at_random_in_cycles():
    options = {"every": 1, "increment": 0.5, "stabilize": 0, "cycles": 3}
    values = np.arange(1.0, 13.0)
    picks = []
    for seed in (0, 1):
        growing = GrowingRegularization("dlth", 0.75, seed=seed, **options)
        model = linear(values, run_eagerly=True)
        seen = drawn_to_zero(model, growing, 6)
        zeros = [row.count(0) for row in seen]
        assert zeros == [0, 3, 3, 6, 6, 9]
        picks.append(np.ravel(kprune.get_masks(model)["a/kernel"]))
    smallest = values > 9
    assert (picks[0] != picks[1]).any()
    assert any((pick != smallest).any() for pick in picks)


def test_own_regularizers_stay_and_come_back():
    model = linear([1.0, 2.0], "l2")
    own = kernel(model).regularizer
    growing = GrowingRegularization(
        "greg1", 0.5, every=1, increment=1.0, stabilize=1
    )
    seen = drawn_to_zero(model, growing, 2)
    # L2 at 0.01 has the gradient 0.02 w.
    np.testing.assert_allclose(seen[0], [0.998, 1.996], rtol=1e-5)
    np.testing.assert_allclose(seen[1], [0, 1.996 * 0.998], rtol=1e-5)
    assert kernel(model).regularizer is own
    # And a training after it is without.
    drawn_to_zero(model, Watch(), 1)
    np.testing.assert_allclose(kernel(model)[1, 0], 2 * 0.998**3, rtol=1e-5)


def test_what_an_interruption_left_is_replaced():
    model = linear([1.0, 2.0], run_eagerly=True)
    x, y = np.zeros((4, 2)), np.zeros((4, 1))
    options = {"every": 1, "increment": 1.0, "stabilize": 2}
    for growing in [GrowingRegularization("greg1", 0.5, **options)] * 2:
        with pytest.raises(Killed):
            model.fit(x, y, 1, callbacks=[growing, Kill(1)], verbose=0)
    growing = GrowingRegularization("greg1", 0.5, **options)
    seen = drawn_to_zero(model, growing, 4)
    np.testing.assert_allclose(seen[1], [0.9, 2], rtol=1e-6)
    assert kernel(model).regularizer is None


def test_the_loss_is_that_of_the_task():
    growing = GrowingRegularization("greg1", 0.5, **SHORT)
    model = linear([1.0, 2.0])
    x, y = np.zeros((16, 2)), np.ones((16, 1))
    history = model.fit(
        x, y, 1, callbacks=[growing], validation_data=(x, y), verbose=0
    ).history
    assert history["loss"] == history["val_loss"] == [1.0]


# Counts, structures, durations.


@pytest.mark.parametrize("method", ["greg1", "greg2", "dlth"])
def test_the_final_counts_are_exact(method):
    picks = {"pick_increment": 0.1, "pick_ceiling": 0.1}
    options = picks if method == "greg2" else {}
    model, history = trained(method, 0.7, epochs=4, **options)
    assert kept(model) == {"a/kernel": 48, "b/kernel": 12}
    # After 16 of 24 steps; greg2 picks for 3 steps more before, and ends
    # after 19.
    if method == "greg2":
        assert history["kept"] == [200, 200, 200, 60]
        assert history["penalty"] == [0.35, 0.85, 1, 0]
    else:
        assert history["kept"] == [200, 200, 60, 60]
        assert history["sparsity"] == pytest.approx([0, 0, 0.7, 0.7])
        assert history["penalty"] == [0.5, 1, 0, 0]
    assert not pruned_values(model).any()


@pytest.mark.parametrize(
    "sparsity, options, expected",
    [
        (0.75, {"allocation": "global", "exclude": "b"}, (40, 40)),
        # Of 200 weights 2 stay, 1.6 of `a` and 0.4 of `b`: but one at least.
        (0.99, {}, (1, 1)),
    ],
)
def test_allocations_and_exclusions(sparsity, options, expected):
    model, _ = trained("greg1", sparsity, **options)
    assert tuple(kept(model).values()) == expected


@pytest.mark.parametrize("method", ["greg1", "dlth"])
def test_channels_go_with_what_reads_them_and_shrink(method):
    model, _ = trained(method, 0.5, granularity="channel")
    masks = kprune.get_masks(model)
    live = masks["a/kernel"].any(0)
    assert live.sum() == 10
    assert (masks["b/kernel"] == live[:, np.newaxis]).all()
    small = kprune.shrink(model, verbose=0)
    assert small.get_layer("a").units == 10
    np.testing.assert_allclose(small(X), model(X), atol=1e-5)


def test_filters_are_ranked_by_the_sum_of_magnitudes():
    # |w| sums to 3 and 2.5, though the second has the larger 2-norm.
    model = sequential(
        (2,),
        keras.layers.Dense(2, use_bias=False, name="a"),
        keras.layers.Dense(1, use_bias=False, name="b"),
        values=[[[1.5, 2.5], [1.5, 0.0]], [[1.0], [1.0]]],
    )
    model = kprune.wrap(model)
    model.compile("sgd", "mse", run_eagerly=True)
    growing = GrowingRegularization(
        "greg1", 0.5, granularity="channel", increment=1.0, stabilize=0
    )
    drawn_to_zero(model, growing, 5)
    mask = kprune.get_masks(model)["a/kernel"]
    assert mask.tolist() == [[True, False], [True, False]]


def test_steps_per_execution():
    # lambda changes after each two steps: at 2 it is what it is at step 2.
    model = linear([1.0, 2.0], steps_per_execution=2)
    growing = GrowingRegularization(
        "greg1", 0.5, every=1, increment=0.25, stabilize=2
    )
    seen = drawn_to_zero(model, growing, 8)
    # Two steps at 0, two at 0.5, then 1 for the last two, and it goes.
    rows = [[1, 2], [0.95**2, 2], [0, 2], [0, 2]]
    np.testing.assert_allclose(seen, rows, rtol=1e-6)


def test_training_that_ends_early_ends_sparse():
    model = net()
    with pytest.warns(UserWarning, match="ended after 6 steps, before the 16"):
        trained("dlth", 0.7, model=model, also=[Stop()], cycles=1)
    assert kept(model) == {"a/kernel": 48, "b/kernel": 12}
    assert kernel(model).regularizer is None


def test_it_goes_on_at_an_initial_epoch():
    _, history = trained("greg1", 0.5, epochs=4, initial=1)
    # 6 steps count as done: after epochs 1 to 3 there are 12, 18 and 24.
    assert history["penalty"] == [1, 0, 0]
    assert history["kept"] == [200, 100, 100]


@pytest.mark.parametrize(
    "options, words",
    [
        ({"method": "greg3"}, "Did you mean .*greg1"),
        ({"sparsity": 1.0}, "`sparsity`"),
        ({"pick_ceiling": 0.1}, "Only method 'greg2' has pick_ceiling"),
        ({"increment": 0}, "`increment`. Expected a number > 0"),
        ({"every": "often"}, "Expected a duration"),
        ({"method": "greg2", "pick_ceiling": 2}, "> 2, the `pick_ceiling`"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_what_does_not_fit_is_refused(options, words):
    options = {"method": "greg1", "sparsity": 0.5, **options}
    with pytest.raises(ValueError, match=words):
        GrowingRegularization(**options)


def test_a_training_or_a_model_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"12 steps\. Expected at least 16"):
        trained("greg1", 0.5, epochs=2)
    with pytest.raises(ValueError, match="has no masks"):
        trained("greg1", 0.5, model=kprune.strip(net()))


@pytest.mark.slow
def test_two_replicas_train_as_one():
    def values(strategy):
        with strategy.scope():
            model = net(keras.optimizers.SGD(0.1))
            model.get_layer("drop").rate = 0.0
        growing = GrowingRegularization("greg1", 0.7, **SHORT)
        model.fit(batched(X, Y), epochs=3, callbacks=[growing], verbose=0)
        return [v.numpy() for v in model.variables]

    one = values(tf.distribute.get_strategy())
    two = values(kprune.training.strategy("mirrored"))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
