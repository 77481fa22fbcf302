"""`kprune report`, on directories of runs written here."""

import csv
import importlib.util
import json

import numpy as np
import pytest

from kprune import experiment
from kprune.experiment import directory
from kprune.masking import masks
from kprune.runtime import plots

PAPER = {
    "source": "table 1",
    "results": [
        {"method": "snip", "sparsity": 0.9, "mean": 95.5, "std": 0.2, "n": 5},
        {"method": "snip", "sparsity": 0.99, "mean": 80.25},
        {"method": "dense", "sparsity": 0.0, "mean": 99.1},
        {
            "label": "SNIP-MB",
            "method": "snip",
            "options": {"pruner.batches": 7},
            "sparsity": 0.9,
            "mean": 97.0,
        },
    ],
    "sweep": {"methods": ["dense", "snip", "SNIP-MB", "random"]},
}


def pretend(path, method, sparsity, seed, accuracy, **changes):
    """Writes the directory of a run, finished if it has an accuracy."""
    config = experiment.default()
    config.update_from_flattened_dict(
        {
            "seed": seed,
            "pruner.method": method,
            "pruner.sparsity": sparsity,
            **changes,
        }
    )
    config = experiment.complete(config)
    directory.start(path, {"config": config.to_dict()})
    if accuracy is not None:
        found = {"test_accuracy": accuracy, "sparsity": sparsity}
        directory.finish(path, found)


@pytest.fixture
def runs(tmp_path):
    root = tmp_path / "runs"
    for seed, accuracy in enumerate((0.91, 0.92, 0.94)):
        pretend(root / f"s{seed}", "snip", 0.9, seed, accuracy)
        pretend(root / "below" / f"d{seed}", "dense", 0, seed, 0.98)
    pretend(root / "r", "random", 0.95, 0, 0.5)
    return root


@pytest.fixture
def report(command, capsys):
    """Returns a function to what the command prints."""

    def call(runs, *more, **flags):
        command("report", *more, runs=runs, **flags)
        return capsys.readouterr().out

    return call


@pytest.fixture
def table(report):
    """Returns a function to the rows of the tables that it prints."""
    return lambda runs: rows(report(runs))


def rows(out):
    """Returns the tables' rows by method, and the first column's heading."""
    lines = (line[2:-2] for line in out.splitlines() if "|" in line)
    return {name: cells for name, *cells in (x.split(" | ") for x in lines)}


def test_the_table_holds_mean_deviation_and_number(report, runs):
    out = report(runs)
    # Mean of 91, 92, 94: 277 / 3 = 92.33. Deviations -4/3, -1/3, 5/3: their
    # squares sum to 42/9, over n - 1 = 2 gives 2.333, whose root is 1.53.
    assert rows(out) == {
        "method": ["dense", "90 %", "95 %"],
        "---": ["---:", "---:", "---:"],
        "dense": ["98.00 ± 0.00 (3)", "", ""],
        "random": ["", "", "50.00 (1)"],
        "snip": ["", "92.33 ± 1.53 (3)", ""],
    }
    assert "## lenet_300_100 on digits" in out
    assert "with n in parentheses; seeds 0, 1, 2; 5 epochs" in out
    assert "adam at 0.001, batches of 128." in out
    assert "\n- At" not in out  # Without checks nothing is judged.


def test_the_number_is_said_once_where_it_is_the_same(report, runs):
    pretend(runs / "r1", "random", 0.95, 1, 0.5)
    pretend(runs / "r2", "random", 0.95, 2, 0.5)
    out = report(runs)
    assert rows(out)["random"] == ["", "", "50.00 ± 0.00"]
    assert "(n - 1), n = 3; seeds 0, 1, 2" in out


def test_tickets_stand_beside_runs(report, table, runs):
    results = [
        {"variant": variant, "sparsity": 0.90004, "accuracy": accuracy}
        for variant, accuracy in (("ticket", 0.9), ("shuffled", 0.8))
    ]
    for seed in (0, 1):
        config = {"seed": seed, "pruner": {"method": "dense"}}
        config["paper"] = {"tickets": {"rewind_to": "5it"}}
        config = experiment.complete(config).to_dict()
        record = {"name": "ltr", "config": config, "results": results}
        path = runs / f"search{seed}"
        (path / "search").mkdir(parents=True)
        (path / "search" / "search.json").touch()
        (path / "tickets.json").write_text(json.dumps(record))
    found = table(runs)
    assert found["method"] == ["dense", "90 %", "95 %"]
    assert found["ltr"] == ["", "90.00 ± 0.00 (2)", ""]
    assert found["ltr + shuffle"] == ["", "80.00 ± 0.00 (2)", ""]

    # Another search of that name is another row.
    record["config"]["paper"]["tickets"]["rewind_to"] = "9it"
    (path / "tickets.json").write_text(json.dumps(record))
    found = table(runs)
    assert found["ltr (pruner.options.rewind_to=9it)"][1] == "90.00 (1)"

    (path / "tickets.json").unlink()
    out = report(runs)
    assert "Not finished yet: 1 runs." in out and "Left out" not in out
    (path / "tickets.json").write_text("{}")
    out = report(runs)
    assert f"Left out {path}: tickets.json was not written by kprune" in out


def test_the_paper_stands_beside(report, tmp_path):
    pretend(tmp_path / "d", "dense", 0, 0, 0.98, paper=PAPER)
    pretend(tmp_path / "s", "snip", 0.9, 0, 0.95, paper=PAPER)
    more = {"paper": PAPER, "pruner.batches": 7}
    pretend(tmp_path / "mb", "snip", 0.9, 0, 0.96, **more)
    pretend(tmp_path / "r", "random", 0.9, 0, 0.5, paper=PAPER)
    out = report(tmp_path)
    found = rows(out)
    apart = "dense: paper", "snip", "snip: paper", "SNIP-MB", "SNIP-MB: paper"
    assert list(found)[2:] == ["dense", *apart, "random"]
    assert found["method"] == ["dense", "90 %", "99 %"]
    assert found["dense: paper"] == ["99.1", "", ""]
    assert found["snip"] == ["", "95.00", ""]
    assert found["snip: paper"] == ["", "95.5 ± 0.2", "80.25"]
    assert found["SNIP-MB: paper"] == ["", "97", ""]
    assert "Paper: table 1." in out


def test_another_configs_paper_can_stand_beside(report, tmp_path):
    pretend(tmp_path / "runs/s", "snip", 0.9, 0, 0.95, paper=PAPER)
    config = tmp_path / "other.py"
    paper = {"results": [{"method": "snip", "sparsity": 0.9, "mean": 11.0}]}
    config.write_text(
        "import ml_collections\n"
        "def get_config():\n"
        f"    return ml_collections.ConfigDict({{'paper': {paper}}})\n"
    )
    out = report(tmp_path / "runs", config=config)
    assert rows(out)["snip: paper"] == ["11"]


@pytest.mark.parametrize(
    ("run", "changes", "expected"),
    [
        # Settings that differ are kept apart and said,
        (
            ("snip", 0.9, 0, 0.99),
            {"training.epochs": 9},
            {
                "dense (training.epochs=5)": ["98.00 ± 0.00 (3)", "", ""],
                "random (training.epochs=5)": ["", "", "50.00 (1)"],
                "snip (training.epochs=5)": ["", "92.33 ± 1.53 (3)", ""],
                "snip (training.epochs=9)": ["", "99.00 (1)", ""],
            },
        ),
        # of how one method prunes for this method alone,
        (
            ("random", 0.95, 0, 0.6),
            {"pruner.batches": 2},
            {
                "dense": ["98.00 ± 0.00 (3)", "", ""],
                "random (pruner.batches=1)": ["", "", "50.00 (1)"],
                "random (pruner.batches=2)": ["", "", "60.00 (1)"],
                "snip": ["", "92.33 ± 1.53 (3)", ""],
            },
        ),
        # and where it ran keeps nothing apart. 91, 92, 94 and 91.
        (
            ("snip", 0.9, 3, 0.91),
            {"distribute": "mirrored", "artifacts": False},
            {
                "dense": ["98.00 ± 0.00 (3)", "", ""],
                "random": ["", "", "50.00 (1)"],
                "snip": ["", "92.00 ± 1.41 (4)", ""],
            },
        ),
    ],
)
def test_what_keeps_rows_apart(table, runs, run, changes, expected):
    pretend(runs / "more", *run, **changes)
    found = table(runs)
    assert list(found)[2:] == list(expected)
    assert {name: found[name] for name in expected} == expected


def test_the_same_run_counts_once(report, runs):
    pretend(runs / "again", "snip", 0.9, 1, 0.92)
    out = report(runs)
    assert rows(out)["snip"][1] == "92.33 ± 1.53 (3)"
    assert "the same run is there twice" in out


def test_each_data_set_and_network_has_a_table(report, tmp_path):
    for dataset in ("mnist", "digits"):
        path = tmp_path / dataset
        pretend(path, "snip", 0.9, 0, 0.9, **{"dataset.name": dataset})
    out = report(tmp_path)
    assert out.index("## lenet_300_100 on digits") < out.index("on mnist")


def test_an_older_config_is_read(table, runs):
    path = runs / "s0" / "config.json"
    record = json.loads(path.read_text())
    for key in ("paper", "precision", "distribute", "checkpoint"):
        del record["config"][key]
    del record["config"]["training"]["schedule"]
    del record["sha256"]
    path.write_text(json.dumps(record))
    found = table(runs)
    assert found["snip"][1] == "92.33 ± 1.53 (3)"


def test_a_fixed_sparsity_is_that_of_the_result(table, tmp_path):
    pretend(tmp_path, "snip", None, 0, None, **{"pruner.granularity": "2:4"})
    result = {"test_accuracy": 0.9, "sparsity": 0.50000001}
    directory.finish(tmp_path, result)
    assert table(tmp_path)["method"] == ["50 %"]


# Sanity checks.


@pytest.fixture
def checked(tmp_path):
    root = tmp_path / "runs"
    pairs = (0.96, 0.80), (0.98, 0.82), (0.97, 0.81)
    for seed, (plain, shuffled) in enumerate(pairs):
        pretend(root / f"p{seed}", "snip", 0.9, seed, plain)
        check = {"pruner.check": "shuffle"}
        pretend(root / f"s{seed}", "snip", 0.9, seed, shuffled, **check)
    pretend(root / "i", "snip", 0.9, 0, 0.5, **{"pruner.check": "invert"})
    return root


def test_checks_are_rows_of_their_own_and_judged(report, checked):
    out = report(checked)
    found = rows(out)
    assert found["snip"] == ["97.00 ± 1.00 (3)"]
    assert found["snip + shuffle"] == ["81.00 ± 1.00 (3)"]
    assert found["snip + invert"] == ["50.00 (1)"]
    assert list(found)[2:] == ["snip", "snip + invert", "snip + shuffle"]
    # Variances 1 and 1 over n = 3; 4 degrees: 16 -+ 2.7764 sqrt(2/3).
    assert (
        "- At 90 %, snip beats its own shuffle: 97.00 +- 1.00 against 81.00 "
        "+- 1.00, difference +16.00 [13.73, 18.27], p = 4e-05, n = 3."
    ) in out
    assert "- At 90 %, snip and its own inversion: 97.00 +- 1.00" in out
    assert "n = 3 and 1: undecided, with fewer than 3 runs." in out


def test_checks_are_corrected_for_their_number(report, checked):
    # A second test, of means 97 and 97: p = 1. Holm doubles the smaller.
    for seed, accuracy in enumerate((0.96, 0.98, 0.97)):
        same = {"pruner.check": "reinitialize"}
        pretend(checked / f"r{seed}", "snip", 0.9, seed, accuracy, **same)
    out = report(checked)
    assert "p = 4e-05, p (Holm) = 8e-05, n = 3." in out
    assert "p = 1, p (Holm) = 1, n = 3." in out
    assert "Holm's correction over the 2 tests of this list" in out


def test_a_missing_shuffled_baseline_is_named(report, tmp_path):
    pretend(tmp_path / "snip", "snip", 0.9, 1, 0.9)
    assert "No shuffled" not in report(tmp_path)  # Nothing is compared.
    pretend(tmp_path / "grasp", "grasp", 0.95, 2, 0.9)
    pretend(tmp_path / "random", "random", 0.9, 1, 0.8)
    pretend(tmp_path / "dense", "dense", 0, 1, 0.9)
    out = report(tmp_path)
    assert "No shuffled baseline: grasp, snip. " in out
    assert (
        "`--methods=grasp,snip --checks=shuffle --sparsities=0.9,0.95 "
        "--seeds=1,2`"
    ) in out
    shuffled = {"pruner.check": "shuffle"}
    pretend(tmp_path / "s", "snip", 0.9, 1, 0.8, **shuffled)
    assert "No shuffled baseline: grasp. " in report(tmp_path)
    pretend(tmp_path / "g", "grasp", 0.95, 2, 0.8, **shuffled)
    assert "No shuffled" not in report(tmp_path)


def test_the_paper_is_of_the_method_itself(table, tmp_path):
    pretend(tmp_path / "p", "snip", 0.9, 0, 0.95, paper=PAPER)
    checked = {"pruner.check": "shuffle", "paper": PAPER}
    pretend(tmp_path / "s", "snip", 0.9, 0, 0.95, **checked)
    found = table(tmp_path)
    assert "snip: paper" in found
    assert "snip + shuffle: paper" not in found


def test_the_overlap_of_masks_is_told(report, checked, tmp_path):
    kept = {"p0": [0, 1], "s0": [1, 2], "i": [3]}
    for name, places in kept.items():
        mask = {"fc1/kernel": np.isin(np.arange(4), places)}
        masks.save(mask, checked / name / directory.MASKS)
    out = report(checked, "--overlaps")
    lines = [line.split() for line in out.splitlines() if "snip 0.9 0" in line]
    assert lines == [["2", "snip", "0.9", "0", "0.00", "1.00", "0.33"]]
    assert "1  snip invert 0.9 0" in out
    assert "Overlap" not in report(checked)
    if importlib.util.find_spec("matplotlib"):
        out = tmp_path / "out"
        report(checked, "--overlaps", out=out)
        assert (out / "overlaps-digits-lenet_300_100.svg").stat().st_size > 1000
        assert "overlaps-digits" in (out / "report.md").read_text()


# What cannot be read.


def test_what_is_damaged_or_strange_is_named(report, runs):
    (runs / "s0" / "DONE").write_text('{"test_acc')
    (runs / "s1" / "config.json").unlink()
    (runs / "s2" / "config.json").write_text('{"other": "program"}')
    (runs / "strange").mkdir()
    (runs / "strange" / "notes.txt").touch()
    out = report(runs)
    assert "snip" not in rows(out)
    assert rows(out)["random"] == ["", "50.00 (1)"]
    for name, why in {
        "s0": "DONE cannot be read",
        "s1": "has no config.json",
        "s2": "config.json was not written",
        "strange": "has no config.json",
    }.items():
        assert f"Left out {runs / name}: {why}" in out


def test_runs_in_progress_are_counted(report, runs):
    pretend(runs / "now", "snip", 0.9, 7, None)
    (runs / "soon").mkdir()
    (runs / "soon" / ".lock").touch()
    out = report(runs)
    assert "Not finished yet: 2 runs." in out
    assert rows(out)["snip"][1].endswith("(3)")


def test_nothing_left_is_an_error(command, tmp_path, capsys):
    pretend(tmp_path / "now", "snip", 0.9, 0, None)
    with pytest.raises(
        SystemExit, match=f"Error: No finished run in {tmp_path}"
    ):
        command("report", runs=tmp_path)
    assert "Not finished yet: 1 runs." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--runs=there/is/none", "Expected a directory"),
        ("--config=quikstart", "Did you mean 'quickstart'"),
        ("--outt=x", "Did you mean 'out'"),
    ],
)
def test_bad_input_is_answered(flag, expected, refusal, runs):
    assert expected in refusal(f"report --runs={runs} {flag}")


# What is written.


def test_the_csv_has_a_line_for_each_figure(report, tmp_path):
    runs, out = tmp_path / "runs", tmp_path / "out"
    for seed, accuracy in enumerate((0.91, 0.92, 0.94)):
        pretend(runs / f"s{seed}", "snip", 0.9, seed, accuracy, paper=PAPER)
    pretend(runs / "r", "random", 0.95, 0, 0.5, paper=PAPER)
    report(runs, out=out)
    with open(out / "report.csv") as file:
        found = list(csv.DictReader(file))
    expected = {"method": "snip", "sparsity": "0.9"}
    expected |= {"n": "3", "mean": "92.3333", "std": "1.5275"}
    expected |= {"paper_n": "5", "paper_mean": "95.5", "paper_std": "0.2"}
    assert expected.items() <= found[0].items()
    # The paper's alone, and a run's alone.
    assert (found[1]["n"], found[1]["paper_mean"]) == ("", "80.25")
    assert (found[2]["std"], found[2]["paper_mean"]) == ("", "")


def test_reports_can_be_written_into_the_runs(report, runs):
    first = report(runs, out=runs / "report")
    assert report(runs, out=runs / "report") == first
    text = (runs / "report" / "report.md").read_text()
    assert text.startswith(first[: first.index("|")])


def test_without_matplotlib_there_are_tables(
    report, runs, tmp_path, monkeypatch
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    out = report(runs, out=tmp_path / "out")
    assert 'pip install "kprune[plots]"' in out
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"report.md", "report.csv"}


def test_a_picture_is_drawn_for_each_table(report, tmp_path):
    pytest.importorskip("matplotlib")
    runs, out = tmp_path / "runs", tmp_path / "out"
    for seed in range(2):
        pretend(runs / f"d{seed}", "dense", 0, seed, 0.98, paper=PAPER)
        for sparsity, accuracy in ((0.9, 0.95), (0.98, 1.0), (0.99, 0.0)):
            path = runs / f"s{sparsity}-{seed}"
            pretend(path, "snip", sparsity, seed, accuracy, paper=PAPER)
    report(runs, out=out)
    picture = out / "digits-lenet_300_100.svg"
    assert "<svg" in picture.read_text()
    assert f"]({picture.name})" in (out / "report.md").read_text()


def test_the_picture_tells_measured_from_published(
    report, tmp_path, monkeypatch
):
    pretend(tmp_path / "d", "dense", 0, 0, 0.98, paper=PAPER)
    pretend(tmp_path / "s", "snip", 0.9, 0, 0.95, paper=PAPER)
    pretend(tmp_path / "t", "snip", 0.99, 0, 0.75, paper=PAPER)
    panels = []
    monkeypatch.setattr(plots, "missing", lambda: None)
    draw = lambda found, *_, **__: panels.extend(found)  # noqa: E731
    monkeypatch.setattr(plots, "draw", draw)
    report(tmp_path, out=tmp_path / "out")
    (panel,) = panels
    dense, of_paper, measured, published, legend = panel.lines
    assert (dense.y, of_paper.y) == pytest.approx((2, 0.9))
    assert measured.x == published.x == pytest.approx([0.1, 0.01])
    assert measured.y == pytest.approx([5, 25])
    assert published.y == pytest.approx([4.5, 19.75])
    assert published.spread[1].tolist() == pytest.approx([0.2, 0])
    assert (measured.hollow, published.hollow, legend.hollow) == (0, 1, 1)
    assert list(panel.xticks.values()) == ["99 %", "90 %"]
    # Of errors from 0.9 to 25 %, those that leave room between them.
    assert list(panel.yticks.values())[:4] == ["90", "99", "80", "95"]
