"""PrAC tickets, against the same search written by hand."""

import math
import shutil

import keras
import numpy as np
import pytest
from networks import CE, sequential
from searched import assert_same, everything, kill, split

import kprune
from kprune.runtime import digests, files
from kprune.tickets import learning_rates, rewinding, training_segment
from kprune.tickets.examples import Examples

N, BATCH, EPOCHS, STEPS, K = 48, 8, 4, 24, 7
RATES = keras.optimizers.schedules.PiecewiseConstantDecay(
    [5, 17], [0.5, 0.2, 0.05]
)


def rate(step):
    """The rate of an update, by how many were made before it."""
    return 0.5 if step <= 5 else 0.2 if step <= 17 else 0.05


def examples():
    """Three classes, of which an eighth have the label of another."""
    draws = np.random.default_rng(0)
    x = draws.normal(size=(N, 4)).astype("float32")
    y = x[:, :3].argmax(1)
    y[::8] = (y[::8] + 1) % 3
    return x, y


X, Y = examples()


def compiled_model(learning_rate=RATES, momentum=0.9, loss=CE, seed=0):
    init = {"kernel_initializer": keras.initializers.GlorotUniform(seed)}
    return sequential(
        (4,),
        keras.layers.Dense(8, "relu", name="hidden", **init),
        keras.layers.Dense(3, name="logits", **init),
        name="small",
        optimizer=keras.optimizers.SGD(learning_rate, momentum),
        loss=loss,
    )


def search(directory=None, model=None, data=(X, Y), **options):
    given = {
        "levels": 1,
        "epochs": EPOCHS,
        "rewind_to": K,
        "batch_size": BATCH,
        "tolerance": None,
        "checkpoint": "4it",
        "verbose": 0,
        **options,
    }
    training, given = split(data, {**given, "directory": directory})
    return kprune.tickets.prac(model or compiled_model(), training, **given)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The directory of a search that came to its end, and its tickets."""
    directory = tmp_path_factory.mktemp("search")
    return directory, list(search(directory, levels=2))


@pytest.fixture
def copied(finished, tmp_path):
    return shutil.copytree(finished[0], tmp_path / "search")


def events(directory, level):
    """Returns the forgetting events of a finished level."""
    with np.load(directory / f"level-{level:02d}" / "arrays.npz") as file:
        return file["events"]


def masked(masks, values):
    """A model with masks and values, and a rate to be set at each step."""
    model = kprune.wrap(compiled_model(0.1))
    point = rewinding.Point(0, values, digests.of_arrays(values))
    rewinding.rewind(model, point, masks)
    return model


def predictions(model, places):
    outputs = model(X[places], training=False)
    return keras.ops.convert_to_numpy(outputs).argmax(1)


def trained_by_hand(model, level, places):
    """Trains a level. Returns its forgetting events, the values after step k,
    and how many steps there were."""
    batches = Examples((X, Y), BATCH).training(places, level)(0)
    per_epoch = math.ceil(len(places) / BATCH)
    steps = math.ceil(EPOCHS * len(places) / N) * per_epoch
    at_k, right = None, []
    for step, batch in enumerate(batches.take(steps).as_numpy_iterator()):
        if step == K:
            at_k = rewinding.values_of(model)
        now = rate(step * STEPS // steps)
        model.optimizer.learning_rate.assign(now)
        model.train_on_batch(*batch)
        if (step + 1) % per_epoch == 0:
            right.append(predictions(model, places) == Y[places])
    right = np.array(right)
    counts = (right[:-1] & ~right[1:]).sum(0)
    return np.where(right.any(0), counts, np.inf), at_k, steps


def pruned_by_hand(model, masks, kept):
    values = rewinding.values_of(model)
    sizes = {n: np.where(m, abs(values[n]), -1) for n, m in masks.items()}
    joined = np.concatenate([np.ravel(size) for size in sizes.values()])
    border = np.sort(joined)[-kept]
    return {name: size >= border for name, size in sizes.items()}


def test_the_loop_is_that_written_by_hand(finished):
    template = kprune.wrap(compiled_model())
    masks, start = kprune.get_masks(template), rewinding.values_of(template)
    places, dense, courses = np.arange(N), None, []
    # Of 32 + 24 weights 56 x 0.8 = 44.8 and 56 x 0.64 = 35.84.
    for ticket, kept in zip(finished[1], [45, 36, 29], strict=True):
        np.testing.assert_array_equal(ticket.examples, places)
        for name, mask in masks.items():
            np.testing.assert_array_equal(ticket.masks[name], mask)
        model = masked(masks, start)
        counts, found, steps = trained_by_hand(model, ticket.level, places)
        stored = events(finished[0], ticket.level)
        np.testing.assert_array_equal(stored, counts)
        values = rewinding.values_of(ticket.model)
        for name, value in rewinding.values_of(model).items():
            np.testing.assert_allclose(values[name], value, atol=1e-5)
        assert int(ticket.model.optimizer.iterations.numpy()) == steps
        courses.append((len(places), len(ticket.history["loss"]), steps))
        # What the next level begins with.
        said = predictions(model, np.arange(N))
        if ticket.level == 0:
            start, dense = found, said
        forgotten = set(places[counts > 0])
        changed = set(np.flatnonzero(said != dense))
        assert bool(changed - forgotten) == (ticket.level > 0)
        places = np.array(sorted(forgotten | changed))
        masks = pruned_by_hand(model, masks, kept)
    # 4 x 20 / 48 = 1.7 epochs of 20 / 8 = 2.5 steps, 4 x 22 / 48 = 1.8 of 2.8.
    assert courses == [(48, 4, 24), (20, 2, 6), (22, 2, 6)]


def test_what_is_rewound_is_step_k_to_the_bit(finished):
    alone = compiled_model()
    train = Examples((X, Y), BATCH).training(np.arange(N), level=0)
    alone.fit(train(0), steps_per_epoch=K, epochs=1, verbose=0)
    ticket = finished[1][-1]
    found = rewinding.values_of(ticket.rewound())
    for name, value in rewinding.values_of(alone).items():
        if name in ticket.masks:
            value = np.where(ticket.masks[name], value, 0)
            assert not ticket.masks[name].all()
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_what_is_rewound_is_for_the_rest_of_the_whole_training(finished):
    ticket = finished[1][-1]
    assert ticket.first_step == K
    schedule = ticket.rewound().optimizer._learning_rate
    found = [float(schedule(step)) for step in range(STEPS - K)]
    expected = [rate(step) for step in range(K, STEPS)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_schedule_is_gone_through_in_fewer_steps(tmp_path):
    model = compiled_model()
    learning_rates.stretch(model.optimizer, RATES, whole=24, steps=5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    # Read at 0, 4.8, 9.6, 14.4 and 19.2, rounded down.
    expected = [0.5, 0.5, 0.2, 0.2, 0.05]
    for optimizer in (model.optimizer, loaded.optimizer):
        schedule = optimizer._learning_rate
        found = [float(schedule(step)) for step in range(5)]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    constant = compiled_model(0.1)
    learning_rates.stretch(constant.optimizer, None, whole=24, steps=5)
    assert float(constant.optimizer.learning_rate) == pytest.approx(0.1)


@pytest.mark.parametrize(("rewind_to", "epochs"), [("1ep", 4), ("5ep", 5)])
def test_a_level_ends_when_its_masks_have_settled(rewind_to, epochs, tmp_path):
    # After two epochs nothing moves, so that the third and fourth find the
    # same masks; not before the step that is rewound to.
    course = keras.optimizers.schedules.PiecewiseConstantDecay([11], [0.5, 0.0])
    for trained in (True, False):
        model = compiled_model(course, momentum=0.0)
        options = {"epochs": 6, "rewind_to": rewind_to, "window": 2}
        tickets = search(tmp_path, model, tolerance=0.01, **options)
        ticket = next(tickets)
        first, *others = ticket.history["mask_distance"]
        assert first > 0.01 and others == [0.0] * (epochs - 2)
        assert len(ticket.history["loss"]) == epochs
        made = int(ticket.model.optimizer.iterations.numpy())
        assert made == (6 * epochs if trained else 0)


def linear_model():
    """Says which of three inputs is the largest, and never learns."""
    return sequential(
        (3,),
        keras.layers.Dense(3, use_bias=False, name="logits"),
        values=[np.eye(3) + 1e-4 * np.arange(9).reshape(3, 3)],
        optimizer=keras.optimizers.SGD(0.0),
        loss=CE,
    )


def test_what_is_never_learned_stays_and_nothing_else():
    x, y = X[:, :3], X[:, :3].argmax(1)
    tickets = search(None, linear_model(), (x, y), epochs=2)
    next(tickets)
    with pytest.raises(ValueError, match="Level 1 has no examples"):
        next(tickets)
    y[[4, 7]] = (y[[4, 7]] + 1) % 3
    # A fifth of nine weights, near zero: no prediction changes.
    tickets = search(None, linear_model(), (x, y), epochs=2)
    assert [t.examples.tolist() for t in tickets] == [[*range(N)], [4, 7]]


def test_one_hot_labels_are_the_same(tmp_path, finished):
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model = compiled_model(loss=loss)
    next(search(tmp_path, model, (X, np.eye(3)[Y])))
    np.testing.assert_array_equal(events(tmp_path, 0), events(finished[0], 0))


def test_what_is_excluded_stays_whole():
    options = {"epochs": 1, "rewind_to": 0, "tolerance": 0.1}
    *_, ticket = search(fraction=0.25, exclude="logits", **options)
    kept = {name: int(mask.sum()) for name, mask in ticket.masks.items()}
    assert kept == {"hidden/kernel": 24, "logits/kernel": 24}
    assert ticket.sparsity == 0.25


def test_finished_levels_are_not_trained_again(copied, finished, monkeypatch):
    fit, calls = training_segment.fit, []

    def counted(*args, **options):
        calls.append(options["steps_per_epoch"])
        return fit(*args, **options)

    monkeypatch.setattr(training_segment, "fit", counted)
    # From other initial weights: those of the directory count.
    tickets = list(search(copied, compiled_model(seed=1), levels=3))
    expected = [everything(ticket) for ticket in finished[1]]
    assert_same([everything(ticket) for ticket in tickets[:-1]], expected)
    assert len(calls) == 1  # The level that is new.
    assert tickets[-1].sparsity == (56 - 29) / 56  # 56 x 0.512 = 28.7.


_OTHERS = sorted({*range(14)} - {12})


# What a search writes, in order: 0 the initial weights; of the dense network
# 1-2 checkpoints up to step 4, 3 the point of step 7, 4-8 checkpoints, 9 its
# weights; of the next level 10-12 checkpoints, 13 its weights.
# The quick one is in the middle of an epoch of that level, after step 7.
@pytest.mark.parametrize(
    "saves", [12, *(pytest.param(n, marks=pytest.mark.slow) for n in _OTHERS)]
)
def test_a_killed_search_ends_as_if_it_had_not_been(tmp_path, finished, saves):
    kill(lambda: search(tmp_path), saves)
    assert (tmp_path / "level-00" / "DONE").exists() == (saves > 9)
    found = [everything(ticket) for ticket in search(tmp_path)]
    assert_same(found, [everything(ticket) for ticket in finished[1][:2]])
    for level in range(2):
        expected = events(finished[0], level)
        np.testing.assert_array_equal(events(tmp_path, level), expected)


def test_a_directory_that_lost_the_point_to_rewind_to(tmp_path):
    kill(lambda: search(tmp_path), 7)
    shutil.rmtree(tmp_path / "points" / str(K))
    with pytest.raises(ValueError, match="lost the weights of step 7"):
        next(search(tmp_path))


def test_changed_examples_are_noticed(copied):
    # The dense network forgot others.
    level = copied / "level-00"
    with np.load(level / "arrays.npz") as file:
        arrays = dict(file)
    arrays["events"] = arrays["events"] + 1
    np.savez(level / "arrays.npz", **arrays)
    with pytest.raises(ValueError, match="SHA-256 of its arrays was"):
        list(search(copied))
    done = files.read_record(level / "DONE")
    done["digests"]["arrays"] = digests.of_arrays(arrays)
    files.write_record(level / "DONE", done)
    with pytest.raises(ValueError, match="Level 1 was trained on other ex"):
        list(search(copied))


def test_a_directory_of_another_search_is_refused(finished):
    with pytest.raises(ValueError, match=r"window: 5 there, 4 here"):
        search(finished[0], window=4)
    with pytest.raises(ValueError, match="labels: "):
        search(finished[0], data=(X, (Y + 1) % 3))
    with pytest.raises(ValueError, match="inputs: "):
        search(finished[0], data=(-X, Y))
    with pytest.raises(ValueError, match="method: 'prac' there, None here"):
        training = kprune.tickets.Training(
            Examples((X, Y), BATCH).training(np.arange(N), level=0),
            epochs=EPOCHS,
            steps_per_epoch=6,
            directory=finished[0],
        )
        kprune.tickets.imp(compiled_model(), training, levels=1, rewind_to=K)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"levels": 0}, "`levels`. Expected an integer >= 1"),
        ({"epochs": 0}, "`epochs`. Expected an integer >= 1"),
        ({"batch_size": 0}, "`batch_size`. Expected an integer >= 1"),
        ({"window": 0}, "`window`. Expected an integer >= 1"),
        ({"window": True}, "`window`. Expected an integer >= 1"),
        ({"tolerance": 0}, "`tolerance`. Expected a number"),
        ({"tolerance": "8%"}, "`tolerance`. Expected a number"),
        ({"fraction": 1.0}, r"number in \(0, 1\)"),
        ({"rewind_to": "4ep"}, "before the end of the training"),
        ({"augment": "flip"}, "`augment`. Expected a function"),
        ({"seed": -1}, "`seed`"),
        ({"exclude": ("hidden", "logits")}, "Nothing is left to prune"),
        ({"data": (X, Y[1:])}, r"lengths: \[48, 47\]"),
        ({"data": (X, Y + 1)}, "from 0 to 2"),
        ({"data": (X[:, 1:], Y)}, "inputs of shape"),
    ],
)
def test_what_does_not_fit_is_said_at_once(options, expected, tmp_path):
    directory = tmp_path / "search"
    with pytest.raises(ValueError, match=expected):
        search(directory, **options)
    assert not directory.exists()


def test_the_length_of_an_epoch_is_not_known_before():
    model = compiled_model()
    model.compile("sgd", CE, steps_per_execution=3)
    with pytest.raises(ValueError, match=r"`steps_per_execution`\. Expected 1"):
        search(None, model)
