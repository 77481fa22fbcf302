"""The evaluations in their quick forms, and what they measure by hand."""

import keras
import numpy as np
import pytest

import kprune


def test_all_run_resume_and_say_nothing_from_one_seed(study, tmp_path, capsys):
    arguments = ("evaluations", f"--workdir={tmp_path}", "--quick", "--seeds=0")
    study(*arguments)
    first = capsys.readouterr().out
    for title in (
        "Sparse double descent",
        "Exploration and accuracy",
        "Random masks by width",
        "Recalibration of batch normalization",
    ):
        assert f"## {title}" in first
    for verdict in ("higher,", "lower,", "positive,", "negative,"):
        assert verdict not in first
    study(*arguments)
    again = capsys.readouterr().out
    lines = first.splitlines()
    ran = [line for line in lines if line.endswith(", seed 0")]
    assert len(ran) == 4
    assert again.splitlines() == [line for line in lines if line not in ran]


def test_wrong_labels_are_of_other_classes(part):
    y = np.arange(1000) % 10
    noisy = part("evaluations.double_descent").relabel(y, 0.4, seed=0)
    assert (noisy != y).sum() == 400
    assert set(noisy) == set(range(10))


def test_the_distance_is_of_kept_weights_and_biases(part):
    start = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(1, name="fc")]
    )
    kernel, bias = np.array([[1.0], [5.0]]), np.array([0.0])
    start.set_weights([kernel, bias])
    model = kprune.wrap(start)
    kprune.set_masks(model, {"fc/kernel": np.array([[True], [False]])})
    for variable in model.trainable_variables:
        if "bias" in variable.path:
            variable.assign([4.0])
        else:
            variable.assign([[4.0], [0.0]])
    found = part("evaluations.double_descent").distance(start, model)
    assert found == pytest.approx(5)  # Of 3 and 4.


def test_verdicts_are_corrected_over_rows(part):
    over_seeds = part("evaluations.over_seeds")
    gains = np.array([[1.0, 1.1, 1.2], [0.1, -0.1, 0.05], [-2.0, -2.1, -2.2]])
    first, second, third = over_seeds.verdicts(gains)
    assert first.startswith("higher")
    assert second.startswith("undecided")
    assert third.startswith("lower")
    assert over_seeds.verdicts(gains[:, :2])[0].startswith("undecided")


def test_correlation_by_hand(part):
    over_seeds = part("evaluations.over_seeds")
    one = np.array([[1, 1, 1], [2, 2, 2], [3, 3, 3]])
    other = np.array([[1, 1, 1], [2, 3, 2], [3, 2, 3]])
    # 1, 1/2 and 1.
    assert over_seeds.correlation(one, other).startswith(
        "0.83 ± 0.29 over 3 seeds"
    )
