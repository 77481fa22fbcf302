"""Tests of the leaderboard: its rows, order, tables and ranks."""

import pytest

import kprune
from kprune.runtime import files


@pytest.fixture
def rows(part):
    return part("leaderboard.rows")


@pytest.fixture
def results(part):
    return part("leaderboard.results")


def test_every_method_has_a_row_or_a_reason(rows):
    """A new method is not forgotten in silence."""
    assert rows.unknown() == []


def test_no_method_has_both_and_none_is_made_up(rows):
    known = {row.method for row in rows.ROWS.values()} - {"dense"}
    assert not known & set(rows.LEFT_OUT)
    assert known | set(rows.LEFT_OUT) == set(kprune.methods())


def test_each_method_at_initialization_has_its_shuffle(rows):
    scored = {
        name
        for name, row in rows.ROWS.items()
        if row.when == rows.BEFORE and row.method not in ("dense", "random")
    }
    plain = {n for n in scored if not n.endswith(rows.SHUFFLED)}
    assert scored - plain == {n + rows.SHUFFLED for n in plain}


class _Flags:
    networks = ["lenet_300_100"]
    methods = ["dense", "random", "snip"]
    sparsities = ["0.95", "0.98", "0.9"]
    seeds = ["0", "1"]


def test_the_first_two_sparsities_come_first_and_dense_once(part):
    cells = part("leaderboard.run").cells_of(_Flags)
    shares = [cell.sparsity for cell in cells]
    assert 0.9 not in shares[:10]
    assert {*shares[10:]} == {0.9}
    assert shares.count(0.0) == 2
    assert len(cells) == 2 + 2 * 3 * 2


@pytest.fixture
def report(results, tmp_path):
    """Returns a function from accuracies by row to the report of three seeds
    of each, at 90 %, of 360 s."""

    def call(**found):
        cells = []
        for row, accuracies in found.items():
            row = row.replace("_shuffled", "-shuffled")
            own = [
                results.Cell("lenet_300_100", row, 0.9, seed)
                for seed in range(3)
            ]
            files.make_directory(tmp_path / "lenet_300_100")
            for cell, accuracy in zip(own, accuracies, strict=False):
                record = {"accuracy": accuracy, "sparsity": 90.0}
                record["seconds"] = 360.0
                files.write_record(cell.path(tmp_path), record)
            cells += own
        return results.Results(tmp_path, cells).report()

    return call


SNIP = [90.0, 91.0, 92.0]


def test_tables_of_what_is_there_and_the_price_of_what_is_not(report):
    text = report(snip=SNIP, snip_shuffled=[80.0, 81.5, 82.0], rigl=[])
    assert "| snip | before | 91.00 ± 1.00 |" in text
    assert "| rigl | while | not run |" in text
    # Three cells, at 360 s each.
    assert "| lenet_300_100 | 3 | 0.30 |" in text
    # Gains of 10, 9.5 and 10: t = 59, p = 0.00029.
    assert "| 9.83 ± 0.29 | 0.00029 | better |" in text


def test_two_seeds_give_no_verdict(report):
    text = report(snip=[90.0, 91.0], snip_shuffled=[80.0, 81.001])
    assert "| undecided |" in text


def test_ranks_are_of_the_methods_with_all_cells(report):
    text = report(
        snip=SNIP, grasp=[80.0, 81.0, 82.0], rigl=[95.0, 81.5, 96.0], set=[99.0]
    )
    assert "of 3 methods over 3 blocks" in text
    # Ranks of rigl: 1, 2, 1.
    assert "| rigl | while | 1.3 |" in text
    assert "| snip | before | 1.7 |" in text
    assert "| set | while | " not in text.partition("**Ranks**")[2]


@pytest.fixture
def measure(part):
    """Returns a function from rows, in turn on one bench, to their cells."""
    networks, run = part("leaderboard.networks"), part("leaderboard.run")
    quick = networks.QUICK
    held = part("leaderboard.bench").Bench(quick, networks.load(quick, None))
    cell = part("leaderboard.results").Cell

    def call(row, share=0.9, seed=0):
        return run.measure(held, cell("lenet_300_100", row, share, seed))

    return call


def test_no_cell_leaves_anything_for_the_next(measure):
    """Values, masks and momenta of one are not those of another."""
    first = measure("random")
    assert first["sparsity"] == pytest.approx(90, abs=0.1)
    assert measure("rigl", 0.98, seed=1)["sparsity"] == pytest.approx(
        98, abs=0.1
    )
    assert measure("random")["accuracy"] == first["accuracy"]


def test_it_resumes_and_grows(study, tmp_path, capsys):
    call = "leaderboard", f"--workdir={tmp_path}", "--quick", "--seeds=0"
    call += ("--sparsities=0.9",)
    study(*call, "--methods=dense,wanda-after")
    first = capsys.readouterr().out
    assert "2 of 2: lenet_300_100, wanda-after, 90 %, seed 0: " in first
    assert " % at 90.00 %, " in first
    assert "All cells have been run." in first
    study(*call, "--methods=dense,wanda-after,random")
    second = capsys.readouterr().out
    assert "3 of 3: lenet_300_100, random, 90 %" in second
    assert "2 of 3" not in second
    study(*call, "--methods=dense,set", "--report")
    assert "| lenet_300_100 | 1 | " in capsys.readouterr().out


def test_cells_of_another_budget_are_refused(part, tmp_path):
    check = part("leaderboard.run").check_budget
    check(tmp_path / "lenet5", {"epochs": 4})
    check(tmp_path / "lenet5", {"epochs": 4})
    with pytest.raises(ValueError, match="Use another --workdir"):
        check(tmp_path / "lenet5", {"epochs": 8})
