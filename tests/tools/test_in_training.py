"""Methods that prune as a network trains, in their quick forms."""

import json

import numpy as np
import pytest

ROWS = {  # What is removed, in percent, if it follows from the options.
    "mnist_str": None,
    "mnist_dlth": 95.0,
    "mnist_l0": None,
    "mnist_greg": 95.0,
    "mnist_prune_train": None,
    "mnist_growing_batches": None,
    "mnist_greg_filters": None,
    "mnist_gem_miner": 95.0,
    "mnist_early_bird": None,
    "mnist_early_crop": 95.0,
    "mnist_top_kast": 95.0,
    "mnist_cram": 95.0,
    "mnist_prac": 20.0,
    "mnist_elastic": None,
}
QUICK = ("mnist_str", "mnist_dlth")


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, marks=[] if row in QUICK else [pytest.mark.slow])
        for row in ROWS
    ],
)
def test_each_runs_once_and_says_what_is_left(
    study, tmp_path, capsys, rows, row
):
    arguments = f"--config=in_training:{row},quick", f"--runs={tmp_path}"
    study("in_training", *arguments)
    head, *lines = rows(capsys.readouterr().out)
    assert head[1:] == ["removed in %", "test accuracy in %"]
    paths = sorted(tmp_path.glob("*-seed0.json"))
    assert len(lines) == len(paths)
    found = [json.loads(path.read_text())["result"] for path in paths]
    for result in found:
        assert 0 <= result["test"] <= 100
        assert -1e-9 <= result["removed"] < 100
        if ROWS[row] is not None:
            assert result["removed"] == pytest.approx(ROWS[row], abs=0.05)
    # Nothing is trained again.
    before = [path.stat().st_mtime_ns for path in paths]
    study("in_training", *arguments)
    assert [path.stat().st_mtime_ns for path in paths] == before


def test_a_stronger_threshold_removes_more(part, tmp_path):
    methods = part("in_training.methods")
    data = {"name": "digits", "normalization": "default", "augment": None}

    def build():
        return methods.kprune.models.fc([20], input_shape=(8, 8, 1), seed=0)

    phase = {
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "batch_size": 32,
        "epochs": 1,
        "steps_per_epoch": 2,
    }
    removed = []
    for initial in (-8.0, -2.0):
        experiment = {
            "method": "soft_threshold",
            "options": {"initial": initial},
            "phases": {"train": phase},
        }
        found = methods.measured(build, experiment, 0, data)
        # The same by hand: entries within sigmoid(s) of zero.
        kernels = [
            np.asarray(v)
            for v in build().trainable_variables
            if v.name == "kernel"
        ]
        near = sum(
            (np.abs(k) < 1 / (1 + np.exp(-initial))).sum() for k in kernels
        )
        total = sum(k.size for k in kernels)
        assert found["removed"] == pytest.approx(100 * near / total, abs=5)
        removed.append(found["removed"])
    assert removed[0] < 1 < removed[1]


def test_an_unknown_method_is_refused(part):
    methods = part("in_training.methods")
    experiment = {"method": "soft_treshold", "phases": {}, "options": {}}
    with pytest.raises(ValueError, match="Did you mean 'soft_threshold'"):
        methods.measured(None, experiment, 0, {"name": "digits"})
