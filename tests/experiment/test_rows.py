"""The tables of configs: rows over the settings of a paper, quick forms."""

import pytest

from kprune.experiment import rows

SETTINGS = {
    "dataset": {"name": "mnist", "batch_size": 60},
    "model": {"name": "vgg19", "initializer": "xavier_normal"},
    "pruner": {"method": "snip", "sparsity": 0.9, "options": {}},
    "training": {"epochs": 50},
}
ROWS = {
    "plain": {},
    "other": {
        "model": {"name": "resnet50"},
        "pruner.sparsity": 0.98,
        "pruner.options.steps": [1, 2],
        "paper.results": [{"options": {"pruner.batches": 3}}],
        "quick": {"pruner.options.steps": [1], "model.width": 2},
    },
}
QUICK = {"pruner.rounds": 2, "pruner.options.steps": []}


def found(arg):
    return rows.config(arg, ROWS, SETTINGS, QUICK).to_dict()


def test_a_row_stands_over_the_settings():
    assert found("plain") == {"seed": 0, **SETTINGS}
    pruner = {"method": "snip", "sparsity": 0.98, "options": {"steps": [1, 2]}}
    assert found("other") == {
        "seed": 0,
        **SETTINGS,
        "model": {"name": "resnet50"},
        "pruner": pruner,
        "paper": {"results": [{"options": {"pruner.batches": 3}}]},
    }


def test_the_quick_form_is_of_two_steps_and_a_smaller_network():
    quick = found("other,quick")
    assert quick["dataset"] == {"name": "digits", "batch_size": 60}
    assert quick["model"] == {"name": "resnet_cifar", "depth": 8, "width": 2}
    assert quick["training"] == {"epochs": 1, "steps_per_epoch": 2}
    # What the row says of its quick form wins over what the file says.
    assert quick["pruner"]["options"] == {"steps": [1]}
    assert quick["pruner"]["rounds"] == 2
    assert found("plain,quick")["model"] == {"name": "conv6"}


def test_without_a_row_it_is_the_first():
    assert found("") == found("plain")
    assert found("quick") == found("plain,quick") != found("plain")


@pytest.mark.parametrize(
    ("arg", "near"),
    [("quik", "quick"), ("othr", "other"), ("othr,quick", "other")],
)
def test_another_row_is_answered_with_the_nearest(arg, near):
    with pytest.raises(ValueError, match=f"Did you mean '{near}'") as error:
        found(arg)
    assert "Expected one of: other, plain, quick." in str(error.value)


@pytest.mark.parametrize("arg", ["plain,other", "plain,quik", "quick,plain"])
def test_one_row_and_one_form_are_named(arg):
    with pytest.raises(ValueError, match=f"Unknown row .*'{arg}'"):
        found(arg)


def test_what_a_caller_changes_stays_with_the_caller():
    config = rows.config("other", ROWS, SETTINGS)
    config.pruner.options.steps.append(3)
    config.paper.results[0]["options"].clear()
    assert found("other")["pruner"]["options"] == {"steps": [1, 2]}
    assert found("other")["paper"]["results"][0]["options"]


def test_parts_that_many_configs_share():
    training = rows.torch_sgd(5e-4, rows.tenth_at("50%", "75%"), epochs=160)
    assert training == {
        "optimizer": "torch_sgd",
        "optimizer_options": {"momentum": 0.9, "weight_decay": 5e-4},
        "learning_rate": 0.1,
        "schedule": {"name": "multi_step", "at": ["50%", "75%"], "factor": 0.1},
        "epochs": 160,
    }
    sweep = rows.sweep({"snip": 1, "random": 2}, (0.9,))
    assert sweep["methods"] == ["dense", "snip", "random"]
    assert sweep["sparsities"] == [0.9]
