"""Sanity checks in the binaries: planned, run, tabulated, judged."""

import importlib.util
import json

import numpy as np
import pytest
from test_report_binary import PAPER, pretend, report, rows
from test_sweep import planned

import kprune
from kprune.experiment import directory


@pytest.fixture
def runs(tmp_path):
    root = tmp_path / "runs"
    for seed, (plain, shuffled) in enumerate(((0.96, 0.80), (0.98, 0.82))):
        pretend(root / f"p{seed}", "snip", 0.9, seed, plain)
        checked = {"check_of_pruner": "shuffle"}
        pretend(root / f"s{seed}", "snip", 0.9, seed, shuffled, **checked)
    pretend(root / "i", "snip", 0.9, 0, 0.5, check_of_pruner="invert")
    return root


def test_checks_are_rows_of_their_own_and_judged(binary, runs, capsys):
    out = report(binary, capsys, f"--runs={runs}")
    found = rows(out)
    assert found["snip"] == ["97.00 ± 1.41 (2)"]
    assert found["snip + shuffle"] == ["81.00 ± 1.41 (2)"]
    assert found["snip + invert"] == ["50.00 (1)"]
    assert list(found)[2:] == ["snip", "snip + invert", "snip + shuffle"]
    # Variances 2 and 2 over n: 1 and 1; 2 degrees: 16 -+ 4.3027 sqrt 2.
    assert (
        "- At 90 %, snip beats its own shuffle: 97.00 +- 1.41 against 81.00 "
        "+- 1.41, difference +16.00 [9.92, 22.08], p = 0.0077, n = 2."
    ) in out
    assert "- At 90 %, snip and its own inversion: 97.00 +- 1.41" in out
    assert "too few for a verdict." in out


def test_the_paper_is_of_the_method_itself(binary, tmp_path, capsys):
    pretend(tmp_path / "p", "snip", 0.9, 0, 0.95, paper=PAPER)
    checked = {"check_of_pruner": "shuffle", "paper": PAPER}
    pretend(tmp_path / "s", "snip", 0.9, 0, 0.95, **checked)
    found = rows(report(binary, capsys, f"--runs={tmp_path}"))
    assert "snip: paper" in found
    assert "snip + shuffle: paper" not in found


def test_without_checks_nothing_is_judged(binary, tmp_path, capsys):
    pretend(tmp_path / "p", "snip", 0.9, 0, 0.95)
    assert "\n- At" not in report(binary, capsys, f"--runs={tmp_path}")


def test_the_overlap_of_masks_is_told(binary, runs, tmp_path, capsys):
    kept = {"p0": [0, 1], "s0": [1, 2], "i": [3]}
    for name, places in kept.items():
        mask = {"fc1/kernel": np.isin(np.arange(4), places)}
        kprune.masks.save(mask, runs / name / directory.MASKS)
    out = report(binary, capsys, f"--runs={runs}", "--overlaps")
    lines = [line.split() for line in out.splitlines() if "snip 0.9 0" in line]
    assert lines == [["2", "snip", "0.9", "0", "0.00", "1.00", "0.33"]]
    assert "1  snip invert 0.9 0" in out
    assert "Overlap" not in report(binary, capsys, f"--runs={runs}")
    if importlib.util.find_spec("matplotlib"):
        out = tmp_path / "out"
        report(binary, capsys, f"--runs={runs}", "--overlaps", f"--out={out}")
        assert (out / "overlaps-digits-lenet_300_100.png").stat().st_size > 1000
        assert "overlaps-digits" in (out / "report.md").read_text()


SWEEP = (
    "--config=configs/mnist_lenet.py:quick",
    "--methods=dense,snip",
    "--sparsities=0.9",
    "--seeds=0",
)


def test_a_sweep_runs_each_method_with_each_check(binary, tmp_path, capsys):
    checks = "--checks=none,shuffle,invert"
    lines = planned(binary, capsys, *SWEEP, checks, f"--runs={tmp_path}")
    cells = [line.split()[1].rsplit("-", 1)[0] for line in lines[:-1]]
    assert cells == [
        f"digits-lenet_300_100-{method}-seed0"
        for method in (
            "dense-0",
            "snip-0.9",
            "snip-shuffle-0.9",
            "snip-invert-0.9",
        )
    ]
    # Without checks, the cells are those that they were.
    plain = planned(binary, capsys, *SWEEP, f"--runs={tmp_path}")
    assert plain[:-1] == lines[:2]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--checks=shufle",), "Did you mean 'shuffle'"),
        (("--checks=shuffle", "--methods=gmp"), "prunes while"),
    ],
)
def test_a_sweep_answers_checks_that_cannot_be(
    flags, expected, binary, tmp_path
):
    with pytest.raises(SystemExit, match=expected):
        binary("sweep", *SWEEP, *flags, f"--runs={tmp_path}", "--dry_run")


def test_train_runs_a_check(binary, tmp_path, capsys):
    workdir = tmp_path / "run"
    binary(
        "train",
        "--config=configs/mnist_lenet.py:quick",
        f"--workdir={workdir}",
        "--method=snip",
        "--check=shuffle",
        "--config.artifacts=False",
    )
    assert "pruned by snip (sanity check: shuffle)" in capsys.readouterr().out
    record = json.loads((workdir / directory.CONFIG).read_text())
    assert record["config"]["pruner"]["check"] == "shuffle"
    assert (workdir / directory.DONE).exists()


def test_train_answers_a_check_that_cannot_be(binary, tmp_path):
    with pytest.raises(SystemExit, match="prunes nothing"):
        binary(
            "train",
            "--config=configs/mnist_lenet.py:quick",
            f"--workdir={tmp_path / 'run'}",
            "--method=dense",
            "--check=shuffle",
        )
