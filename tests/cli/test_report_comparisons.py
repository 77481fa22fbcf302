"""Which methods differ: by hand, and by what files say of it."""

import csv
import dataclasses
import math

import pytest
from scipy import stats

from kprune import experiment
from kprune.experiment import directory
from kprune.experiment.results import comparisons, report
from kprune.experiment.results.groups import groups
from kprune.experiment.results.runs import find
from kprune.experiment.results.sections import sections
from kprune.runtime import palette, significance

ACCURACIES = {
    "snip": (0.94, 0.95, 0.96),
    "grasp": (0.90, 0.91, 0.92),
    "random": (0.93, 0.96, 0.94),
}


def pretend(path, method, seed, accuracy):
    config = experiment.complete(
        {"seed": seed, "pruner": {"method": method, "sparsity": 0.9}}
    )
    directory.start(path, {"config": config.to_dict()})
    found = {"test_accuracy": accuracy, "test_loss": 0.1, "sparsity": 0.9}
    directory.finish(path, found)


@pytest.fixture
def runs(tmp_path):
    for method, accuracies in ACCURACIES.items():
        for seed, accuracy in enumerate(accuracies):
            path = tmp_path / "runs" / f"{method}{seed}"
            pretend(path, method, seed, accuracy)
    return tmp_path / "runs"


@pytest.fixture
def section(runs):
    (found,) = sections(groups(find([runs]).finished)[0])
    return found


def test_a_difference_by_hand():
    # Means 2 and 4, variances 1 and 1: t = -2 / sqrt(2/3), 4 degrees.
    found = significance.effect([1, 2, 3], [3, 4, 5])
    assert found.mean == -2
    t = 2 / math.sqrt(2 / 3)
    assert found.p_value == pytest.approx(2 * stats.t.sf(t, 4))
    reach = stats.t.isf(0.025, 4) * math.sqrt(2 / 3)
    assert found.interval == pytest.approx((-2 - reach, -2 + reach))
    # d = -2, of 6 figures: g = -2 (1 - 3 / 15) = -1.6.
    assert found.hedges == pytest.approx(-1.6)
    spread = math.sqrt(6 / 9 + 1.6**2 / 12)
    ends = (-1.6 - 1.959964 * spread, -1.6 + 1.959964 * spread)
    assert found.hedges_interval == pytest.approx(ends, rel=1e-6)


def test_figures_that_do_not_vary():
    found = significance.effect([2, 2], [1, 1])
    assert (found.mean, found.interval, found.p_value) == (1, (1, 1), 0)
    assert found.hedges is None


def test_all_pairs_are_corrected_together(section):
    found = comparisons.comparisons(section)
    pairs = {(one.method, one.other): one for one in found}
    assert set(pairs) == {
        ("snip", "random"),
        ("snip", "grasp"),
        ("random", "grasp"),
    }
    values = {}
    for (one, other), told in pairs.items():
        sides = ([100 * a for a in ACCURACIES[m]] for m in (one, other))
        test = stats.ttest_ind(*sides, equal_var=False)
        assert told.found.p_value == pytest.approx(test.pvalue)
        values[one, other] = test.pvalue
    least, second, _ = sorted(values, key=values.get)
    assert pairs[least].p_value == pytest.approx(3 * values[least])
    assert pairs[second].p_value == pytest.approx(
        max(3 * values[least], 2 * values[second])
    )


def test_two_runs_of_a_method_are_not_told_apart(section):
    found = comparisons.comparisons(section)
    (best, *_) = [one for one in found if one.p_value < 0.05]
    assert best.differs
    assert "Fewer than 3" not in comparisons.caption(found)
    few = dataclasses.replace(best, counts=(2, 3))
    assert not few.differs
    said = comparisons.caption([best, few])
    assert "tells 1 of 2 pairs apart. Fewer than 3 runs of a method" in said


def test_the_files_of_runs(runs, tmp_path, command, capsys):
    names = {
        name: tmp_path / f"out.{suffix}"
        for name, suffix in (("csv", "csv"), ("markdown", "md"))
    }
    command("report", runs=runs, **names)
    with open(names["csv"]) as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    assert float(rows["snip"]["mean"]) == 95
    assert rows["snip"]["n"] == "3"
    text = names["markdown"].read_text()
    assert "| 90 % | snip | grasp | +4.00 | [1.73, 6.27] |" in text
    assert "correction over the 3 tests of this table" in text
    assert "Written: " in capsys.readouterr().out


def test_a_page_and_figures_of_runs(runs, tmp_path, command):
    pytest.importorskip("matplotlib")
    page, figure = tmp_path / "runs.html", tmp_path / "runs.svg"
    command("report", runs=runs, html=page, svg=figure)
    text = page.read_text()
    assert text.count("<svg") == 1
    assert "<td>snip</td>" in text
    assert palette.look("snip")["color"].lower() in figure.read_text().lower()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("--runs={runs} --csv=a.txt", "Expected --csv=NAME.csv"),
        ("--runs={runs} --html=a.md", "Expected --html=NAME.html"),
        ("--model=a.keras --svg=a.svg", "--svg goes with runs"),
    ],
)
def test_files_that_do_not_fit_are_refused(flags, expected, refusal, runs):
    assert expected in refusal(f"report {flags.format(runs=runs)}")


def test_a_method_has_its_colour_everywhere(section):
    looks = {
        line.label: line.look
        for line in report.panel(section).lines
        if line.label and line.label in ("SNIP", "GraSP", "random")
    }
    assert len(looks) == 3
    for label, name in (("SNIP", "snip"), ("GraSP", "grasp")):
        assert looks[label]["color"] == palette.look(name)["color"]
    labels = [line.label for line in report.panel(section).lines]
    assert "bars: standard deviation, n = 3" in labels


def test_lines_of_one_colour_have_other_markers():
    looks = []
    for _ in range(20):
        looks.append(palette.look("a method of mine", looks))
    assert len({one["color"] for one in looks}) == 1
    told = {(one["marker"], one["linestyle"]) for one in looks}
    assert len(told) == 18  # All there are.


def test_runs_as_a_table_of_pandas(runs):
    pytest.importorskip("pandas", reason="needs kprune[results]")
    found = experiment.read_results(runs)
    assert len(found) == 9
    means = found.groupby("method").test_accuracy.mean()
    assert means["snip"] == pytest.approx(0.95)
    assert set(found.sparsity) == set(found.reached_sparsity) == {0.9}


@pytest.mark.parametrize("runs", [None, 3, [], [3]])
def test_what_is_no_directory_of_runs_is_refused(runs):
    with pytest.raises(ValueError, match=r"`runs`. Expected .*Received"):
        experiment.read_results(runs)
