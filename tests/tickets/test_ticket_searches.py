"""A search in a directory: resumed to the bit, and not to be tampered with."""

import json
import shutil
from concurrent import futures
from fractions import Fraction

import keras
import numpy as np
import pytest
from networks import CE, sequential
from searched import assert_same, everything, kill, split

import kprune
from kprune.masking import masks as mask_files
from kprune.runtime import digests, locks
from kprune.tickets import rewinding
from kprune.training import CheckpointFiles

LEVELS, STEPS_PER_EPOCH, EPOCHS, K = 1, 6, 2, 4
_OTHERS = sorted({*range(19)} - {4, 15})


def sgd():
    return keras.optimizers.SGD(0.05, momentum=0.9)


def compiled_model(seed=0):
    """A network with all that is to be rewound: biases, statistics, draws."""
    return sequential(
        (8, 8, 1),
        keras.layers.Flatten(name="flat"),
        keras.layers.Dense(12, name="hidden"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Dropout(0.2, seed=1, name="dropout"),
        keras.layers.Dense(10, name="logits"),
        seed=seed,
        name="small",
        optimizer=sgd(),
        loss=CE,
    )


class Digits:
    """Digits from a step on; remembers where it was asked to begin."""

    def __init__(self):
        self.begun = []

    def __call__(self, step):
        self.begun.append(step)
        return kprune.datasets.load("digits", 32, start=step)[0]


def search(directory, train=None, model=None, **options):
    given = {
        "steps_per_epoch": STEPS_PER_EPOCH,
        "epochs": EPOCHS,
        "rewind_to": K,
        "directory": directory,
        "levels": LEVELS,
        "checkpoint": "2it",
        "verbose": 0,
        **options,
    }
    training, given = split(train or Digits(), given)
    return kprune.tickets.imp(model or compiled_model(), training, **given)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The directory of a search that came to its end, and its tickets."""
    directory = tmp_path_factory.mktemp("search")
    return directory, [everything(ticket) for ticket in search(directory)]


@pytest.fixture
def copied(finished, tmp_path):
    return shutil.copytree(finished[0], tmp_path / "search")


def test_a_directory_does_not_change_what_is_found(finished):
    assert_same([everything(t) for t in search(None)], finished[1])


def test_all_is_rewound_to_step_k_to_the_bit(finished):
    directory, _ = finished
    alone = compiled_model()
    train = kprune.datasets.load("digits", 32, start=0)[0]
    alone.fit(train, steps_per_epoch=K, epochs=1, verbose=0)
    expected = rewinding.values_of(alone)
    # The names of both hidden layers, of batch normalization and dropout.
    assert len(expected) == 9
    for ticket in search(directory):
        if ticket.level == 0:
            continue
        found = rewinding.values_of(ticket.rewound())
        for name, value in expected.items():
            if name in ticket.masks:
                value = np.where(ticket.masks[name], value, 0)
                assert not ticket.masks[name].all()
            np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_what_is_rewound_becomes_the_ticket(finished):
    ticket = list(search(finished[0]))[-1]
    model = ticket.rewound()
    for first, steps in ((K, 2), (6, 6)):
        train = kprune.datasets.load("digits", 32, start=first)[0]
        model.fit(train, steps_per_epoch=steps, epochs=1, verbose=0)
    found = rewinding.values_of(model)
    for name, value in rewinding.values_of(ticket.model).items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_finished_levels_are_not_trained_again(finished):
    directory, expected = finished
    train = Digits()
    # From other initial weights: those of the directory count.
    found = [everything(t) for t in search(directory, train, compiled_model(1))]
    assert train.begun == []
    assert_same(found, expected)


def test_a_search_goes_on_for_more_levels(copied, finished):
    train = Digits()
    tickets = list(search(copied, train, levels=LEVELS + 1))
    assert train.begun == [K, STEPS_PER_EPOCH]
    assert_same([everything(t) for t in tickets[:-1]], finished[1])
    assert tickets[-1].sparsity == (888 - 568) / 888  # 888 x 0.64 = 568.3.


# What a search writes, in order: 0 the initial weights; of the dense network
# 1-3 checkpoints up to step 4, 4 that point, 5-6 and 7-10 checkpoints, 11 its
# weights; of the next level 12-13 and 14-17 checkpoints, 18 its weights.
@pytest.mark.parametrize(
    "saves",
    [4, 15, *(pytest.param(n, marks=pytest.mark.slow) for n in _OTHERS)],
)
def test_a_killed_search_ends_as_if_it_had_not_been(tmp_path, finished, saves):
    kill(lambda: search(tmp_path), saves)
    over = (tmp_path / "level-00" / "DONE").exists()
    train = Digits()
    found = [everything(t) for t in search(tmp_path, train)]
    assert_same(found, finished[1])
    assert over == (saves > 11)
    if over:  # The dense network is not trained again.
        assert train.begun[0] >= K


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("points/4", "the SHA-256 of its rewinding was"),
        ("points/0", "the SHA-256 of its start was"),
        ("level-01/weights", "the SHA-256 of its weights was"),
    ],
)
def test_a_changed_weight_is_noticed(copied, place, expected):
    files = CheckpointFiles(copied / place, 1)
    step, state = files.latest()
    state["values"]["logits/bias"] = np.full(10, 0.5, "float32")
    files.save(step, state)
    with pytest.raises(ValueError, match=f"{place}.*have been changed"):
        list(search(copied))
    state["digest"] = digests.of_arrays(state["values"])
    files.save(step, state)
    with pytest.raises(ValueError, match=expected):
        list(search(copied))


def test_changed_masks_and_missing_files_are_noticed(copied):
    path = copied / "level-01" / "masks.npz"
    masks = mask_files.load(path)
    mask_files.save({n: ~mask for n, mask in masks.items()}, path)
    with pytest.raises(ValueError, match="of its masks was"):
        list(search(copied))
    path.unlink()
    with pytest.raises(ValueError, match="Received: None"):
        list(search(copied))
    shutil.rmtree(copied / "points" / "4")
    with pytest.raises(ValueError, match=r"rewinding.*Received: None"):
        list(search(copied))


def test_weights_changed_in_memory_are_noticed():
    tickets = search(None, levels=1)
    ticket = next(tickets)
    values = ticket.start.values.values["hidden/kernel"]
    values[0, 0] += 1
    with pytest.raises(ValueError, match="step 0 have been changed"):
        ticket.rewound()


def test_a_directory_of_another_search_is_refused(finished):
    with pytest.raises(ValueError, match=r"fraction: 0\.2 there, 0\.3 here"):
        search(finished[0], fraction=0.3)
    other = compiled_model()
    other.compile("sgd", other.loss)
    with pytest.raises(ValueError, match="optimizer: "):
        search(finished[0], model=other)
    other.compile(sgd(), keras.losses.SparseCategoricalCrossentropy())
    with pytest.raises(ValueError, match="loss: "):
        search(finished[0], model=other)


def test_a_directory_that_kprune_0_1_wrote_is_known(tmp_path):
    options = {
        "allocation": kprune.allocation.smart_ratios("linear"),
        "exclude": ("logits",),
        "rewind_weights": "init",
    }
    search(tmp_path, **options)
    path = tmp_path / "search.json"
    there = json.loads(path.read_text())
    assert there["survivors"] == "init"
    # A name alone stayed a name, and functions were elsewhere in kprune.
    there["exclude"] = "logits"
    assert there["allocation"].startswith("kprune.pruning.allocation.")
    there["allocation"] = there["allocation"].replace("pruning.", "")
    there["optimizer"]["module"] = "kprune.optimizers"
    del there["sha256"]  # Nothing had a digest.
    path.write_text(json.dumps(there))
    with pytest.raises(ValueError, match="  optimizer: ") as error:
        search(tmp_path, **options)
    assert str(error.value).count(" there, ") == 1
    there["optimizer"]["module"] = "keras.optimizers"
    path.write_text(json.dumps(there))
    search(tmp_path, **options)


def test_what_a_search_is_asked_for_is_told_apart_and_written(tmp_path):
    model = compiled_model()  # A search leaves it as it is.
    courses = [
        kprune.allocation.smart_ratios(course) for course in ("linear", "cubic")
    ]
    for number, options in enumerate(
        [
            {"method": "grasp", "temperature": 100.0},
            {"method": "grasp", "temperature": 200.0},
            *({"allocation": course} for course in courses),
            {"fraction": Fraction(1, 5), "seed": np.int64(2)},
            {"fraction": {"hidden": Fraction(1, 5)}},
        ]
    ):
        for place in range(number + 1):
            directory = tmp_path / str(place)
            if place == number:
                for _ in range(2):  # And again: it is the same.
                    search(directory, model=model, **options)
                continue
            with pytest.raises(ValueError, match="holds another search"):
                search(directory, model=model, **options)


def test_a_part_that_is_shorter_than_a_checkpoint(tmp_path):
    # A tenth of 12 steps is one, of the 4 before step K none.
    found = list(search(tmp_path, checkpoint="10%"))
    assert len(found) == LEVELS + 1


def test_one_process_at_a_time_searches(copied):
    tickets = search(copied)
    next(tickets)
    with futures.ThreadPoolExecutor() as another:
        refused = another.submit(next, search(copied)).exception()
    assert "is in use by process" in str(refused)
    assert len(list(tickets)) == LEVELS
    assert locks.holder(copied) is None
    assert not (copied / locks.NAME).exists()


def test_what_a_level_leaves(finished):
    directory, tickets = finished
    level = directory / "level-01"
    assert {p.name for p in level.iterdir()} == {"DONE", "masks.npz", "weights"}
    done = json.loads((level / "DONE").read_text())
    assert done["sparsity"] == float(tickets[1]["sparsity"])
    # 888 prunable weights: 768 + 120; 710 are left.
    assert done["sparsity"] == (888 - 710) / 888
