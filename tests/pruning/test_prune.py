"""The two calls: what they accept, what they answer to bad input."""

import contextlib
import warnings

import keras
import numpy as np
import pytest
from lifecycle import unchanged
from networks import CE, batched, examples

import kprune

X, Y = examples(20, 4, 4, 1)
GIVEN = {"data": (X, Y), "loss": CE}


def net():
    """256 + 192 + 36 = 484 prunable weights."""
    return kprune.models.fc((16, 12), input_shape=(4, 4, 1), classes=3, seed=0)


def kept(model):
    return {n: int(m.sum()) for n, m in kprune.get_masks(model).items()}


@contextlib.contextmanager
def silence():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


def test_the_calls_of_the_readme_work():
    model = net()
    with pytest.warns(UserWarning) as told:
        kprune.prune(model, method="grasp", sparsity=0.95)
    told = [w for w in told if w.category is UserWarning]
    texts = " ".join(str(w.message) for w in told)
    assert "No data was given" in texts and "No loss was given" in texts
    assert all(w.filename == __file__ for w in told)
    with silence():
        kprune.prune(model, "snip", 0.9, **GIVEN, seed=0)
        batches = {"data": batched(X, Y), "loss": CE}
        kprune.prune(model, "snip", 0.5, **batches, granularity="channel")


def test_methods_are_the_criteria_and_the_recipes_over_them():
    criteria = kprune.criteria.names()
    assert {"snip", "taylor", "obs", "prospr"} < set(criteria)
    assert set(kprune.methods("prune")) - set(criteria) == {
        *(
            "3sp",
            "lamp",
            "node_path_balance",
            "optimal_brain_surgeon",
            "force",
            "iter_snip",
            "neuron_norm",
            "neuron_random",
        ),
        *("ossum_norm", "linear_ossum_norm", "log_ossum_norm"),
        *("random_tickets", "hybrid_tickets", "block_influence"),
    }


def by_size(objective, weights, masks):
    return {name: abs(w) for name, w in weights.items()}


@pytest.mark.parametrize(
    "method",
    [
        "magnitude",
        kprune.Pruner("magnitude"),
        kprune.recipes.magnitude(),
        kprune.criteria.get("magnitude"),
        by_size,
    ],
    ids=["name", "pruner", "recipe", "criterion", "function"],
)
def test_strings_and_objects_are_interchangeable(method):
    model = net()
    one = kprune.get_masks(kprune.prune(model, method, 0.9))
    kernels = {f"{x.name}/kernel": x.kernel for x in model.layers if x.weights}
    sizes = np.concatenate([np.ravel(abs(w)) for w in kernels.values()])
    border = np.sort(sizes)[-48]  # 10 % of 484 is 48.4.
    for name, kernel in kernels.items():
        np.testing.assert_array_equal(one[name], np.abs(kernel) >= border)


def test_options_reach_the_criterion_and_pruner_alike():
    by_option, by_object, by_recipe, default = (
        kprune.score(net(), method, **GIVEN, **options)
        for method, options in [
            ("grasp", {"temperature": 1.0}),
            (kprune.criteria.get("grasp", temperature=1.0), {}),
            (kprune.recipes.grasp(temperature=1.0), {}),
            ("grasp", {}),
        ]
    )
    for name in default:
        np.testing.assert_array_equal(by_option[name], by_object[name])
        np.testing.assert_array_equal(by_option[name], by_recipe[name])
        assert (by_option[name] != default[name]).any()


def test_any_axis_of_a_recipe_can_be_replaced():
    axes = {"rounds": 3, "allocation": "uniform"}
    counts = kept(kprune.prune(net(), "synflow", 0.75, **axes))
    assert counts == {"fc1/kernel": 64, "fc2/kernel": 48, "fc3/kernel": 9}


def test_pruning_again_goes_on_from_the_masks_there_are_unless_it_recovers():
    once = kprune.prune(net(), "random", 0.5)
    recovering = kprune.Pruner("random", recover=True)
    twice = kprune.prune(once, "magnitude", 0.9)
    again = kprune.prune(once, recovering, 0.5, seed=1)
    counts = [sum(kept(model).values()) for model in (once, twice, again)]
    assert counts == [242, 48, 242]
    before = kprune.get_masks(once)
    for model, returned in ((twice, False), (again, True)):
        after = kprune.get_masks(model)
        assert returned == any((after[n] & ~before[n]).any() for n in before)


def test_excluded_weights_stay_dense_and_do_not_count():
    model = kprune.prune(net(), "magnitude", 0.75, exclude=["fc3", "fc1/ker.*"])
    counts = kept(model)
    assert counts == {"fc1/kernel": 256, "fc2/kernel": 48, "fc3/kernel": 36}


def test_channels_leave_the_output_layer_out_unless_asked():
    default = kprune.prune(net(), "magnitude", 0.5, granularity="channel")
    masks = kprune.get_masks(default)
    assert masks["fc3/kernel"].any(0).all()  # But reads what is left of fc2.
    assert (masks["fc3/kernel"].any(1) == masks["fc2/kernel"].any(0)).all()
    units = [masks[f"{name}/kernel"].any(0).sum() for name in ("fc1", "fc2")]
    assert sum(units) == 14  # Of 28.
    grain = kprune.Channel(output_layer=True)
    asked = kprune.prune(net(), "magnitude", 0.5, granularity=grain)
    units = [m.any(0).sum() for m in kprune.get_masks(asked).values()]
    assert sum(units) == 16  # Half of 31, 15.5, rounds to the even 16.


def test_nm_skips_what_does_not_fit():
    model = kprune.models.fc((6, 5), input_shape=(4, 4, 1), classes=3)
    pruned = kprune.prune(model, "magnitude", granularity="2:4")
    # 16 inputs fit; 6 and 5 do not.
    expected = {"fc1/kernel": 48, "fc2/kernel": 30, "fc3/kernel": 15}
    assert kept(pruned) == expected


def test_collapse_is_told_refused_or_ignored():
    model = net()
    model.get_layer("fc2").kernel.assign(1e-3 * model.get_layer("fc2").kernel)
    with pytest.warns(UserWarning, match="lose all their entries.*fc2/kernel"):
        pruned = kprune.prune(model, "magnitude", 0.9)
    assert kept(pruned)["fc2/kernel"] == 0
    with pytest.raises(ValueError, match="fc2/kernel"):
        kprune.prune(model, "magnitude", 0.9, on_collapse="error")
    with silence():
        kprune.prune(model, "magnitude", 0.9, on_collapse="ignore")
        pruned = kprune.prune(model, "magnitude", 0.9, min_kept=2)
    assert kept(pruned)["fc2/kernel"] == 2
    assert sum(kept(pruned).values()) == 48


def test_a_pruned_model_computes_with_its_masks_and_holds_zeros():
    model = net()
    pruned = kprune.prune(model, "magnitude", 0.9)
    h = X.reshape(20, 16)
    for name, mask in kprune.get_masks(pruned).items():
        layer = model.get_layer(name.split("/")[0])
        h = h @ np.where(mask, layer.kernel, 0) + np.array(layer.bias)
        h = np.tanh(h) if name != "fc3/kernel" else h
        stored = pruned.get_layer(layer.name).layer.kernel
        assert not np.array(stored)[~mask].any()
    np.testing.assert_allclose(pruned(X), h, rtol=1e-4, atol=1e-5)


FIVE, TEN = {"batch_size": 5}, {"batch_size": 10}


@pytest.mark.parametrize(
    "method, scoring, options, shown",
    [
        ("synflow", {}, {"rounds": 3}, ["1/3", "3/3"]),  # No data: rounds.
        ("snip", FIVE, {}, ["0/4", "4/4"]),  # Batches of 20 examples.
        ("grasp", TEN, {}, ["0/4", "4/4"]),  # Two passes over two.
        ("force", {"batches": 2, **FIVE}, {"rounds": 3}, ["6/6"]),
        ("prospr", {}, {"inner_steps": 2}, ["3/3"]),  # Back along the tapes.
        # 3 forth, 2 back.
        ("prospr", {}, {"inner_steps": 2, "unrolled": False}, ["0/5", "5/5"]),
        ("obd", TEN, {"samples": 4}, ["0/8", "8/8"]),
    ],
)
def test_progress_shows_all_batches(method, scoring, options, shown, capsys):
    given = {**GIVEN, "scoring": scoring, **options}
    kprune.prune(net(), method, 0.5, verbose=1, **given)
    out = capsys.readouterr().out
    assert [part for part in shown if part not in out] == []


@pytest.mark.parametrize("verbose, scoring", [(0, FIVE), (1, {})])
def test_no_bar_is_shown_of_a_single_pass_or_when_silent(
    verbose, scoring, capsys
):
    given = {**GIVEN, "scoring": scoring, "verbose": verbose}
    kprune.prune(net(), "snip", 0.5, **given)
    assert capsys.readouterr().out == ""


BAD = {
    "sparsity of 1": ({"sparsity": 1.0}, r"\[0, 1\).*sparsity=1.0"),
    "sparsity of 120 %": ({"sparsity": 1.2}, r"\[0, 1\).*sparsity=1.2"),
    "negative": ({"sparsity": -0.1}, "sparsity=-0.1"),
    "NaN": ({"sparsity": float("nan")}, "sparsity=nan"),
    "text": ({"sparsity": "high"}, "sparsity='high'"),
    "no sparsity": ({"sparsity": None}, "sparsity=None"),
    "true": ({"sparsity": True}, "sparsity=True"),
    "method": ({"method": "snipp"}, "Did you mean 'snip'"),
    "option": ({"method": "grasp", "temprature": 1.0}, "'temperature'"),
    "option of a pruner": (
        {"method": kprune.Pruner("snip"), "temperature": 1.0},
        "Options belong",
    ),
    "rounds": ({"rounds": 0}, "rounds=0"),
    "exclude": ({"exclude": ["fc9"]}, "in `exclude`: 'fc9'"),
    "exclude all": ({"exclude": ["fc.*"]}, "Nothing is left to prune"),
    "min_kept": ({"min_kept": -1}, "min_kept=-1"),
    "on_collapse": ({"on_collapse": "eror"}, "Did you mean 'error'"),
    "seed": ({"seed": -1}, "seed=-1"),
    "N:M sparsity": (
        {"sparsity": 0.9, "granularity": kprune.NM(2, 4)},
        "fixes the sparsity at 0.5",
    ),
    "inplace": ({"inplace": True}, "for subclassed models"),
    "scoring": ({"scoring": 3}, "Expected a kprune.ScoringConfig"),
    "a field": ({"scoring": {"batchs": 1}}, "Did you mean 'batches'"),
}


@pytest.mark.parametrize("change, message", BAD.values(), ids=BAD)
def test_bad_arguments(change, message):
    arguments = {"method": "magnitude", "sparsity": 0.5, **change}
    with pytest.raises(ValueError, match=message):
        kprune.prune(net(), arguments.pop("method"), **arguments)


def with_nan(array):
    array = np.array(array, "float32")
    array.flat[3] = np.nan
    return array


def first(x, y):
    return x


BAD_DATA = {
    "inputs of another shape": ((X[:, :3], Y), "does not fit model"),
    "another rank": ((X[0], Y[:4]), "does not fit model"),
    "lengths": ((X, Y[:5]), "same number of examples"),
    "NaN": ((with_nan(X), Y), "NaN"),
    "label too large": ((X, Y + 1), "from 0 to 2.*from 1 to 3"),
    "negative label": ((X, Y - 1), "from 0 to 2"),
    "fractions": ((X, Y + 0.5), "not all whole"),
    "one-hot labels": ((X, np.eye(3)[Y]), "one class number"),
    "no labels": (X, "Expected a tf.data.Dataset"),
    "only inputs in a data set": (batched(X, Y).map(first), r"to be \(x, y\)"),
    "nothing": ((X[:0], Y[:0]), "at least one"),
    "empty data set": (batched(X, Y).take(0), "empty"),
    "endless data set": (
        batched(X, Y).repeat(),
        "no end. Say how many `batches`",
    ),
    "a number": (3, "Expected a tf.data.Dataset"),
}


@pytest.mark.parametrize("bad, message", BAD_DATA.values(), ids=BAD_DATA)
def test_bad_data(bad, message):
    model = net()
    with unchanged(model), pytest.raises(ValueError, match=message):
        kprune.prune(model, "snip", 0.5, data=bad, loss=CE)


@pytest.mark.parametrize(
    "loss, message",
    [
        # One-hot labels are needed, and class numbers given.
        ("categorical_crossentropy", "SparseCategoricalCrossentropy"),
        ("crossentropi", "`loss`"),
    ],
)
def test_bad_losses(loss, message):
    with pytest.raises(ValueError, match=message):
        kprune.prune(net(), "snip", 0.5, data=(X, Y), loss=loss)


def test_nan_in_the_weights_is_named():
    model = net()
    kernel = model.get_layer("fc2").kernel
    kernel.assign(with_nan(kernel))
    with pytest.raises(ValueError, match="weights of 'fc2/kernel' hold NaN"):
        kprune.prune(model, "magnitude", 0.5)


def test_models_that_cannot_be_pruned():
    with pytest.raises(ValueError, match="not built"):
        kprune.prune(keras.Sequential([keras.layers.Dense(3)]), "random", 0.5)
    flat = keras.Sequential([keras.Input((3,)), keras.layers.ReLU()])
    with pytest.raises(ValueError, match="no prunable weights"):
        kprune.prune(flat, "random", 0.5)
    frozen = net()
    frozen.trainable = False
    with pytest.raises(ValueError, match="frozen"):
        kprune.prune(frozen, "random", 0.5)
    with pytest.raises(ValueError, match=r"keras\.Model"):
        kprune.prune(keras.layers.Dense(3), "random", 0.5)


def test_class_balanced_draws_each_class_alike():
    x = np.arange(40).reshape(40, 1)
    y = np.r_[np.zeros(25), np.ones(10), np.full(5, 2)].astype(int)
    drawn, labels = kprune.class_balanced((x, y), per_class=5, seed=1)
    assert np.bincount(labels).tolist() == [5, 5, 5]
    assert len(set(drawn.ravel())) == 15
    np.testing.assert_array_equal(y[drawn.ravel()], labels)
    assert (np.diff(labels) < 0).any()  # Shuffled, not sorted by class.
    again, _ = kprune.class_balanced((x, y), per_class=5, seed=1)
    np.testing.assert_array_equal(drawn, again)
    with pytest.raises(ValueError, match="Class 2 has 5 examples"):
        kprune.class_balanced((x, y), per_class=6)


def test_a_choice_by_draw_is_told():
    def half_zero(objective, weights, masks):
        return {n: np.maximum(np.asarray(w), 0) for n, w in weights.items()}

    with pytest.warns(UserWarning, match=r"of the 436 groups .* were drawn"):
        kprune.prune(net(), half_zero, 0.1)  # Half of the scores are zero.
    with silence():
        kprune.prune(net(), half_zero, 0.9)  # The kept are above zero.
        kprune.prune(net(), "magnitude", granularity=kprune.NM(2, 4))
