"""The binary `tools/compare.py`, on runs that are finished."""

import pytest
from ml_collections import ConfigDict

from kprune import experiment
from kprune.experiment import directory


def pretend(workdir, method, sparsity, seed, accuracy):
    """Writes the directory of a finished cell."""
    config = ConfigDict(
        {
            "seed": seed,
            "artifacts": False,
            "dataset": {"name": "digits", "batch_size": 60},
            "model": {"name": "lenet_300_100", "initializer": "xavier_normal"},
            "pruner": {"method": method, "sparsity": sparsity},
            "training": {
                "learning_rate": 1.2e-3,
                "epochs": 1,
                "steps_per_epoch": 2,
                "steps_per_execution": 50,
            },
        }
    )
    path = workdir / f"{method}-{sparsity:g}-seed{seed}"
    config = experiment.complete(config)
    directory.start(path, {"config": config.to_dict()})
    directory.finish(path, {"test_accuracy": accuracy})


@pytest.fixture
def arguments(tmp_path):
    for seed, accuracy in enumerate((0.91, 0.92, 0.94)):
        pretend(tmp_path, "snip", 0.95, seed, accuracy)
        pretend(tmp_path, "dense", 0.0, seed, 0.98)
    for seed in range(3):
        pretend(tmp_path, "snip", 0.9, seed, 0.96)
    return [
        "--config=configs/mnist_lenet.py:quick",
        f"--workdir={tmp_path}",
        "--methods=dense,snip",
        "--sparsities=0.9,0.95",
    ]


def test_the_table_holds_mean_and_deviation(binary, arguments, capsys):
    binary("compare", *arguments)
    # Mean of 91, 92, 94: 277 / 3 = 92.33. Deviations -4/3, -1/3, 5/3: their
    # squares sum to 42/9, over n - 1 = 2 gives 2.333, whose root is 1.53.
    assert capsys.readouterr().out.endswith(
        "| method | 0 % | 90 % | 95 % |\n"
        "| --- | ---: | ---: | ---: |\n"
        "| dense | 98.00 ± 0.00 |  |  |\n"
        "| snip |  | 96.00 ± 0.00 | 92.33 ± 1.53 |\n"
    )


def test_one_seed_has_no_deviation(binary, arguments, capsys):
    binary("compare", *arguments, "--seeds=1")
    assert "| snip |  | 96.00 | 92.00 |" in capsys.readouterr().out


def test_a_cell_that_is_missing_is_run(binary, arguments, tmp_path, capsys):
    binary("compare", *arguments[:2], "--methods=random", "--seeds=0")
    out = capsys.readouterr().out
    assert "[3/3] random-0.98-seed0" in out
    assert (tmp_path / "random-0.95-seed0" / "masks.npz").exists()
    assert not (tmp_path / "random-0.95-seed0" / "model.keras").exists()


def test_all_is_checked_before_the_first_run(binary, arguments, tmp_path):
    with pytest.raises(SystemExit) as error:
        binary("compare", *arguments[:2], "--methods=random,snipp")
    assert "Did you mean 'snip'" in error.value.code
    with pytest.raises(SystemExit) as error:
        binary("compare", *arguments, "--config.training.epochs=2")
    assert "training.epochs: 1 there, 2 here" in error.value.code
    assert not (tmp_path / "random-0.9-seed0").exists()
