"""Gradual pruning: counts at each update, weights that return, and ASNI's."""

import itertools

import keras
import numpy as np
import pytest
from interruption import Kill, assert_resumes
from networks import CE, sequential
from short_fits import STEPS, Stop, X, Y, data, net

import kprune
from kprune.callbacks import Checkpoint, GradualPruning
from kprune.masking import masks
from kprune.pruning import schedules

EPOCHS = 4


def fit(*arguments, model=None, epochs=EPOCHS, fitting=None, **options):
    """Returns the model and the history of a training."""
    model = model or net()
    history = model.fit(
        data(),
        epochs=epochs,
        callbacks=[GradualPruning(*arguments, **options)],
        verbose=0,
        **(fitting or {}),
    )
    return model, history.history


class Drive:
    """Calls the callback's hooks as `fit` does, without the training.

    Attributes:
        model: The model.
        masks: The masks by the steps that were done when they changed.
        kept: How many weights they keep, likewise.
        logs: Dict of lists, as in a `History`.
    """

    def __init__(self, *arguments, model=None, **options):
        self.model = net() if model is None else model
        self.pruning = GradualPruning(*arguments, **options)
        self.masks, self.kept, self.logs = {}, {}, {}

    def run(
        self, epochs=EPOCHS, steps=STEPS, first=0, execution=1, after_epoch=None
    ):
        self.pruning.set_model(self.model)
        self.pruning.set_params({"epochs": epochs, "steps": steps})
        self.pruning.on_train_begin()
        for epoch in range(first, epochs):
            self.pruning.on_epoch_begin(epoch)
            self.look(epoch * steps)
            for batch in range(0, steps, execution):
                done = batch + execution
                self.pruning.on_train_batch_end(done - 1)
                self.look(epoch * steps + min(done, steps))
            logs = {}
            self.pruning.on_epoch_end(epoch, logs)
            for name, value in logs.items():
                self.logs.setdefault(name, []).append(value)
            if after_epoch:
                after_epoch(epoch)
        self.pruning.on_train_end()
        return self

    def look(self, step):
        found = kprune.get_masks(self.model)
        kept = sum(int(mask.sum()) for mask in found.values())
        if kept != next(reversed(self.kept.values()), None):
            self.masks[step], self.kept[step] = found, kept


def test_gmp_keeps_what_the_cubic_says_at_each_update():
    # From step 2 to 13, s = 0.9 (1 - (1 - (t - 2) / 11)^3) of 200 weights:
    # 0.6679 and 0.8819 at 6 and 10, and 0.9 off the grid, at 13.
    options = {"begin": 2, "end": 13, "every": 4}
    driven = Drive("gmp", 0.9, **options).run()
    assert driven.kept == {0: 200, 6: 66, 10: 24, 13: 20}
    # Each layer alike: 0.88 of 160 and of 40 are removed, to the nearest.
    kept = {name: int(mask.sum()) for name, mask in driven.masks[10].items()}
    assert kept == {"a/kernel": 19, "b/kernel": 5}
    _, history = fit("gmp", 0.9, **options)
    assert history["kept"] == [66, 24, 20, 20]
    np.testing.assert_allclose(history["sparsity"], [0.67, 0.88, 0.9, 0.9])
    np.testing.assert_allclose(history["mask_churn"], [0.67, 0.21, 0.02, 0])
    for name in ("kept", "sparsity", "mask_churn"):
        assert driven.logs[name] == history[name]


def test_removed_are_the_smallest_and_they_stay_removed():
    model = net()
    values = {
        w.name: w.variable.numpy() for w in kprune.masking.weights.find(model)
    }
    driven = Drive("gmp", 0.8, model=model, every=2).run()
    assert len(driven.masks) > 6
    for before, after in itertools.pairwise(driven.masks.values()):
        for name, value in values.items():
            assert not (after[name] & ~before[name]).any()
            size = np.abs(value)
            assert size[after[name]].min() > size[~after[name]].max()


@pytest.mark.parametrize(
    ("timing", "steps"),
    [
        ({"begin": "1ep", "end": "75%", "every": "7it"}, [13, 18]),
        ({"begin": 0, "end": 5, "every": 100}, [5]),
        ({"begin": 5, "end": 5, "every": 100}, [5]),
        ({"begin": "3ep", "end": "9ep", "every": 4}, [22, 24]),
        ({"begin": 0, "end": "100%", "every": "2ep"}, [12, 24]),
        ({}, [18]),
    ],
)
def test_the_final_sparsity_comes_at_the_end_whatever_the_steps(timing, steps):
    driven = Drive("gmp", 0.9, **timing).run()
    assert list(driven.kept) == [0, *steps]
    assert driven.logs["kept"][-1] == 20


@pytest.mark.parametrize(
    "options, first, half",
    [
        # 0.9 - 0.4 / 8 = 0.85 half way.
        ({"schedule": schedules.get("cubic", initial=0.5)}, 100, 30),
        # 0.9 (1 - (1 - 1/2)^1) half way.
        ({"power": 1}, 200, 110),
    ],
)
def test_where_it_begins_and_the_exponent_of_gmp(options, first, half):
    driven = Drive("gmp", 0.9, end=12, every=6, **options).run()
    assert driven.kept == {0: first, 6: half, 12: 20}
    assert driven.logs["mask_churn"][0] == pytest.approx(1 - half / 200)


def test_training_that_ends_early_ends_sparse():
    model = net()
    with pytest.warns(UserWarning, match="ended after 6 steps, before the 18"):
        model.fit(
            data(),
            epochs=EPOCHS,
            callbacks=[GradualPruning("gmp", 0.9, every=3), Stop()],
            verbose=0,
        )
    assert kprune.report(model).kept == 20


def test_steps_per_execution():
    # Executions end after 4, 6, 10, 12 ... steps. Due are 3, 8, 13 and 15,
    # with the sparsity of the step itself: at 8
    # 0.9 (1 - (1 - 5/12)^3) = 0.7214, at 13 (and 15 in the same one) 0.9.
    driven = Drive("gmp", 0.9, begin=3, end=15, every=5).run(execution=4)
    assert driven.kept == {0: 200, 10: 56, 16: 20}
    assert driven.logs["kept"] == [200, 56, 20, 20]


def test_it_goes_on_at_an_initial_epoch():
    options = {"begin": 3, "end": 15, "every": 4}
    whole = Drive("gmp", 0.9, **options).run()
    # Twelve steps count as done, so that 7 and 11 do not fall due.
    late = Drive("gmp", 0.9, **options).run(first=2)
    assert late.kept == {12: 200, 15: 20}
    assert masks.overlap(whole.masks[15], late.masks[15]) == 1
    # Where it begins after the end, it prunes at once.
    after = Drive("gmp", 0.9, **options).run(first=3)
    assert after.kept == {18: 20}
    # In two parts, the second of which prunes no further.
    parts = Drive("gmp", 0.9, **options).run(epochs=3)
    parts.run(first=3)
    assert parts.kept == whole.kept
    _, history = fit("gmp", 0.9, fitting={"initial_epoch": 2}, **options)
    assert history["kept"] == [20, 20]


# Pruners of all kinds.


def test_a_pruner_that_looks_at_data_reads_it_once():
    read = []

    def batches():
        for i in range(3):
            read.append(i)
            yield X[i * 8 : i * 8 + 8], Y[i * 8 : i * 8 + 8]

    scoring = kprune.ScoringConfig(batches=1)
    pruner = kprune.Pruner("snip", fresh_batches=True)
    driven = Drive(
        pruner, 0.9, end=12, every=3, data=batches(), scoring=scoring
    ).run()
    # The schedule of what prunes in one shot is the cubic.
    counts = [round(200 - 180 * (1 - (1 - step / 4) ** 3)) for step in range(5)]
    assert driven.kept == dict(zip((0, 3, 6, 9, 12), counts, strict=True))
    # Five updates took a batch each, the last two the first two again.
    assert read == [0, 1, 2]


def test_a_criterion_sees_the_network_as_it_is_by_then():
    seen = []

    def spy(objective, weights, current):
        seen.append({n: np.array(w) for n, w in weights.items()})
        for name, mask in current.items():
            assert not seen[-1][name][~mask].any()
        return {name: abs(w) for name, w in weights.items()}

    fit(spy, 0.5, begin=2, end=6, every=2, schedule="linear", epochs=1)
    assert len(seen) == 3
    assert (seen[0]["a/kernel"] != seen[1]["a/kernel"]).any()


@pytest.mark.parametrize(
    "grain", [kprune.NM(2, 4), kprune.Channel(), kprune.Block((4, 1))]
)
def test_structures(grain):
    sparsity = None if isinstance(grain, kprune.NM) else 0.5
    driven = Drive("gmp", sparsity, granularity=grain, every=3).run()
    found = kprune.get_masks(driven.model)
    assert driven.logs["sparsity"][-1] == 0.5
    if isinstance(grain, kprune.NM):
        runs = found["a/kernel"].T.reshape(20, 2, 4)
        assert (runs.sum(-1) == 2).all()
    elif isinstance(grain, kprune.Channel):
        assert sorted(found["a/kernel"].sum(0)) == [0] * 10 + [8] * 10
        live = found["a/kernel"].any(0)
        assert (found["b/kernel"] == live[:, np.newaxis]).all()
    else:
        blocks = found["a/kernel"].reshape(2, 4, 20).sum(1)
        assert set(np.unique(blocks)) == {0, 4}


def test_what_is_left_out_stays():
    driven = Drive("gmp", 0.75, exclude="b", allocation="global").run()
    found = kprune.get_masks(driven.model)
    assert found["b/kernel"].all()
    assert found["a/kernel"].sum() == driven.logs["kept"][-1] == 40
    assert driven.logs["sparsity"][-1] == 0.75


def test_an_emptied_layer_is_told():
    model = net()
    kernel = model.get_layer("b").layer.kernel
    kernel.assign(0.001 * kernel)
    with pytest.warns(UserWarning, match="all entries .* b/kernel"):
        Drive("magnitude", 0.5, model=model).run()


# Weights that return.


@pytest.mark.parametrize(
    "recover, kept, values, churn",
    [
        (False, [False, True, True], [0, 0.5, 3], 0),
        (True, [True, False, True], [1, 0.5, 3], 2 / 3),
        # A zero is never among the largest.
        ("zeros", [False, True, True], [0, 0.5, 3], 0),
    ],
)
def test_a_weight_returns_with_the_value_it_had(recover, kept, values, churn):
    # Of 1, 2, 3 the first is removed; then the second shrinks to 0.5.
    model = kprune.wrap(sequential((3,), keras.layers.Dense(1, name="a")))
    kernel = model.get_layer("a").layer.kernel
    kernel.assign([[1.0], [2.0], [3.0]])
    stored = []

    def shrink_the_second(epoch):
        stored.append(np.ravel(kernel.numpy()))
        if epoch == 0:
            kernel.assign(kernel.numpy() * [[1], [0.25], [1]])

    options = {"begin": 1, "end": 3, "every": 2, "recover": recover}
    schedule = schedules.get("cubic", initial=1 / 3)
    driven = Drive("gmp", 1 / 3, model=model, schedule=schedule, **options)
    driven.run(epochs=2, steps=2, after_epoch=shrink_the_second)
    np.testing.assert_array_equal(stored[1], values)
    assert driven.logs["mask_churn"] == pytest.approx([1 / 3, churn])
    assert np.ravel(kprune.get_masks(model)["a/kernel"]).tolist() == kept
    # After training nothing is under the mask, and the model is as it was.
    np.testing.assert_array_equal(np.ravel(kernel), np.where(kept, values, 0))
    assert not model.get_layer("a").keep_pruned_values


def test_a_model_wrapped_to_train_what_is_removed_does():
    plain = kprune.strip(net())
    model = kprune.wrap(plain, keep_pruned_values=True, dense_gradients=True)
    model.compile("sgd", CE)
    start = model.get_layer("a").layer.kernel.numpy()
    fit("gmp", 0.9, model=model, recover=True, end=2, epochs=1)
    layer = model.get_layer("a")
    assert layer.keep_pruned_values
    assert layer.dense_gradients
    removed = ~kprune.get_masks(model)["a/kernel"]
    stored = layer.layer.kernel.numpy()[removed]
    assert stored.all()
    assert np.mean(stored != start[removed]) > 0.5


@pytest.mark.slow
def test_killed_and_resumed_it_scores_the_same(tmp_path):
    def run(directory, kill):
        model, options = net("adam"), {"every": 4, "data": (X, Y)}
        history = kprune.training.fit(
            model,
            data(),
            EPOCHS,
            checkpoint=Checkpoint(directory, "1it"),
            callbacks=[GradualPruning("snip", 0.9, **options), Kill(kill)],
            verbose=0,
        )
        return model, history

    assert_resumes(run, [13], tmp_path)


# ASNI.


def test_asni_prunes_after_each_epoch():
    # After epoch e of 4: 90 sigma(e - 2) percent of 200 weights are removed.
    # sigma: 0.26894, 0.5, 0.73106, 0.88080.
    options = {"alpha": 90, "beta": 0.5, "gamma": 1}
    driven = Drive("asni", last_prune_epoch=4, **options).run()
    assert driven.kept == {0: 200, 6: 152, 12: 110, 18: 68, 24: 41}
    driven = Drive("asni", **options).run()
    assert driven.kept == {0: 200, 6: 152, 12: 110}
    # One ranking of all weights: the layers are not alike.
    found = {name: mask.mean() for name, mask in driven.masks[12].items()}
    assert found["a/kernel"] != found["b/kernel"]
    _, history = fit("asni", **options)
    assert history["kept"] == [152, 110, 110, 110]


ROWS = [
    # Model, input shape, epochs, alpha, gamma, what the paper prints.
    ("lenet_300_100", (28, 28, 1), 50, 98, 5, 8335),
    ("conv2", (28, 28, 1), 20, 99.2, 2, 86363),
    ("conv4", (28, 28, 1), 25, 98.5, 2, 39828),
    ("conv6", (28, 28, 1), 30, 98.5, 3, 51420),
    ("conv2", (32, 32, 3), 20, 98.5, 2, 141364),
    ("conv4", (32, 32, 3), 25, 95, 2, 134185),
    ("conv6", (32, 32, 3), 30, 94, 3, 164624),
]


@pytest.mark.parametrize(
    ("name", "shape", "epochs", "alpha", "gamma", "printed"), ROWS
)
def test_asni_leaves_the_nonzeros_that_the_paper_prints(
    name, shape, epochs, alpha, gamma, printed
):
    build = getattr(kprune.models, name)
    found = build(classes=10, input_shape=shape, seed=0).trainable_variables
    total, biases = (
        sum(int(np.prod(v.shape)) for v in found if v.name == one)
        for one in ("kernel", "bias")
    )
    sparsity = schedules.asni(epochs - 2, epochs, alpha, 0.5, gamma)
    kept = masks.count_kept(total, sparsity)
    assert abs(kept + biases - printed) <= 5


@pytest.mark.parametrize("first", [45, pytest.param(0, marks=pytest.mark.slow)])
def test_asni_follows_the_formula(first):
    # Of fifty epochs all but the last two prune.
    model = kprune.wrap(kprune.models.lenet_300_100(seed=0))
    driven = Drive("asni", model=model, alpha=98, beta=0.5, gamma=5)
    driven.run(50, steps=1, first=first)
    assert driven.kept == {first: 266200} | {
        e: masks.count_kept(266200, schedules.asni(e, 50, 98, 0.5, 5))
        for e in range(first + 1, 49)
    }


# What does not fit.


def test_what_does_not_fit_is_said():
    for wrong, message in (
        ({"method": "gmmp", "sparsity": 0.5}, "Did you mean 'gmp'"),
        ({"method": "rigl", "sparsity": 0.5}, "DynamicSparseTraining"),
        ({"method": "gmp"}, "`sparsity`"),
        ({"sparsity": 1.0}, "`sparsity`"),
        ({"sparsity": 0.5, "powr": 2}, "'power'"),
        ({"sparsity": 0.5, "power": 0}, "power=0"),
        ({"sparsity": 0.5, "schedule": lambda p, s: 0.6}, "begins at 0.6"),
        ({"sparsity": 0.5, "recover": "zero"}, "recover='zero'"),
        ({"sparsity": 0.5, "rounds": 3}, "one round. Received: rounds"),
        ({"sparsity": 0.5, "every": "x"}, "Expected a duration"),
        ({"sparsity": 0.5, "schedule": "cubik"}, "'cubic'"),
        ({"sparsity": 0.5, "scoring": 3}, "scoring=3"),
        ({"sparsity": 0.5, "seed": -1}, "seed=-1"),
        ({"method": "asni", "sparsity": 0.5, "end": 9}, "end, sparsity"),
        ({"method": "asni", "alpha": 101}, "alpha=101"),
        ({"method": "asni", "gamma": 0}, "gamma=0"),
        ({"method": "asni", "last_prune_epoch": 0}, "last_prune_epoch=0"),
    ):
        with pytest.raises(ValueError, match=message):
            GradualPruning(**wrong)
    plain = kprune.strip(net())
    plain.compile("sgd", CE)
    with pytest.raises(ValueError, match=r"kprune\.wrap"):
        fit("gmp", 0.9, model=plain)
    with pytest.raises(ValueError, match="begin=24, end=18"):
        fit("gmp", 0.9, begin="4ep")
    with pytest.raises(ValueError, match="is 9, of 4 epochs"):
        fit("asni", last_prune_epoch=9)
    with pytest.raises(ValueError, match="'c'"):
        fit("gmp", 0.9, exclude="c")


def test_a_weight_without_a_mask_is_told():
    model = kprune.strip(net())
    model.get_layer("a").trainable = False
    model = kprune.wrap(model)
    model.get_layer("a").trainable = True
    model.compile("sgd", CE)
    with pytest.raises(ValueError, match="no mask: a/kernel"):
        fit("gmp", 0.9, model=model)


def test_prune_names_the_callback_to_use():
    model = net()
    for method, callback in (
        ("gmp", "GradualPruning"),
        ("asni", "GradualPruning"),
        ("rigl", "DynamicSparseTraining"),
        ("soft_deepr", "DynamicSparseTraining"),
    ):
        words = f'callbacks.{callback}\\("{method}"'
        with pytest.raises(ValueError, match=words):
            kprune.prune(model, method, 0.9)
