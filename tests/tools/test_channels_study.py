"""The study of allocations and repairs, on made-up images."""

import numpy as np
import pytest

from kprune.runtime import files


@pytest.fixture
def data(tmp_path):
    """A file of images with a bar for each class."""
    rng = np.random.default_rng(0)
    y = np.arange(40) % 10
    x = rng.normal(size=(40, 28, 28, 1))
    for image, number in zip(x, y, strict=True):
        image[:, 2 * number : 2 * number + 4] += 3
    path = tmp_path / "own.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
    return path


def test_shares_may_be_of_multiply_adds(study, capsys, tmp_path, data):
    study(
        "channels",
        f"--workdir={tmp_path}/runs",
        f"--dataset={data}",
        "--networks=lenet5",
        "--allocations=uniform",
        "--tested=uniform",
        "--sized_by=flops",
        "--sparsities=0.5",
        "--tuned=",
        "--seeds=0",
        "--epochs=1",
    )
    assert "by share of the multiply-adds removed" in capsys.readouterr().out
    found = files.read_record(tmp_path / "runs" / "lenet5-seed0.json")
    assert set(found) == {"dense", "magnitude, uniform, 0.5, flops"}


def test_sensitivities_share_channels_out_and_cells_are_kept(
    study, rows, capsys, tmp_path, data
):
    how = (
        f"--workdir={tmp_path}/runs",
        f"--dataset={data}",
        "--networks=lenet5",
        "--allocations=uniform,sensitivity",
        "--tested=sensitivity",
        "--repairs=none,correct_biases",
        "--granularity=weight",
        "--sparsities=0.9",
        "--tuned=",
        "--seeds=0",
        "--epochs=8",
        "--batch_size=8",
    )
    study("channels", *how)
    first = files.read_record(tmp_path / "runs" / "lenet5-seed0.json")
    assert len(first) == 1 + 2 * 2
    capsys.readouterr()
    study("channels", *how)
    out = capsys.readouterr().out
    assert "lenet5, seed 0" not in out  # Nothing is measured again.
    table = {tuple(row[1:3]): row[3] for row in rows(out)}
    cell = first["magnitude, sensitivity, 0.9, correct_biases, weight"]
    found = table["sensitivity", "correct_biases"]
    assert found == f"{cell['accuracy']:.1f}"
    assert first["dense"]["accuracy"] > 90
    assert "No test tells one row from another." in out  # Of one seed.
