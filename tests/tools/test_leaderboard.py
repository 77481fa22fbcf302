"""Tests of the leaderboard: its rows, order, tables and ranks."""

import pytest

import kprune
from kprune.runtime import files
from leaderboard import rows
from leaderboard.results import Cell, Results
from leaderboard.run import cells_of


def test_every_method_has_a_row_or_a_reason():
    """A new method is not forgotten in silence."""
    assert rows.unknown() == []


def test_no_method_has_both_and_none_is_made_up():
    known = {row.method for row in rows.ROWS.values()} - {"dense"}
    assert not known & set(rows.LEFT_OUT)
    assert known | set(rows.LEFT_OUT) == set(kprune.methods())


def test_each_method_at_initialization_has_its_shuffle():
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


def test_the_first_two_sparsities_come_first_and_dense_once():
    cells = cells_of(_Flags)
    shares = [cell.sparsity for cell in cells]
    assert 0.9 not in shares[:10]
    assert {*shares[10:]} == {0.9}
    assert shares.count(0.0) == 2
    assert len(cells) == 2 + 2 * 3 * 2


def _put(workdir, row, accuracies, share=0.9):
    for seed, accuracy in enumerate(accuracies):
        cell = Cell("lenet_300_100", row, share, seed)
        path = cell.path(workdir)
        files.make_directory(workdir / "lenet_300_100")
        record = {"accuracy": accuracy, "sparsity": 90.0, "seconds": 360.0}
        files.write_record(path, record)


def _cells(*names):
    return [
        Cell("lenet_300_100", name, 0.9, seed)
        for name in names
        for seed in range(3)
    ]


def test_tables_of_what_is_there_and_the_price_of_what_is_not(tmp_path):
    _put(tmp_path, "snip", [90.0, 91.0, 92.0])
    _put(tmp_path, "snip-shuffled", [80.0, 81.5, 82.0])
    report = Results(tmp_path, _cells("snip", "snip-shuffled", "rigl")).report()
    assert "| snip | before | 91.00 ± 1.00 |" in report
    assert "| rigl | while | not run |" in report
    # Three cells, at 360 s each.
    assert "| lenet_300_100 | 3 | 0.30 |" in report
    # Gains of 10, 9.5 and 10: t = 59, p = 0.00029.
    assert "| 9.83 ± 0.29 | 0.00029 | better |" in report


def test_two_seeds_give_no_verdict(tmp_path):
    _put(tmp_path, "snip", [90.0, 91.0])
    _put(tmp_path, "snip-shuffled", [80.0, 81.001])
    report = Results(tmp_path, _cells("snip", "snip-shuffled")).report()
    assert "undecided" in report


def test_ranks_are_of_the_methods_with_all_cells(tmp_path):
    _put(tmp_path, "snip", [90.0, 91.0, 92.0])
    _put(tmp_path, "grasp", [80.0, 81.0, 82.0])
    _put(tmp_path, "rigl", [95.0, 81.5, 96.0])
    _put(tmp_path, "set", [99.0])
    report = Results(tmp_path, _cells("snip", "grasp", "rigl", "set")).report()
    assert "of 3 methods over 3 blocks" in report
    # Ranks of rigl: 1, 2, 1.
    assert "| rigl | while | 1.3 |" in report
    assert "| snip | before | 1.7 |" in report
    assert "| set | while | " not in report.partition("**Ranks**")[2]


@pytest.mark.parametrize("row", ["dense", "snip-shuffled", "set", "lamp-after"])
def test_cells_reach_their_sparsity(row, quick_bench):
    from leaderboard.run import measure

    share = 0.0 if row == "dense" else 0.9
    found = measure(quick_bench, Cell("lenet_300_100", row, share, 0))
    assert found["sparsity"] == pytest.approx(100 * share, abs=0.1)
    assert found["accuracy"] > 10


@pytest.fixture(scope="module")
def quick_bench():
    from leaderboard import networks
    from leaderboard.bench import Bench

    return Bench(networks.QUICK, networks.load(networks.QUICK, None))


def test_the_bench_gives_a_method_back_what_it_began_with(quick_bench):
    """No value, mask or momentum of one cell is left for the next."""
    from leaderboard.run import measure

    cell = Cell("lenet_300_100", "random", 0.9, 0)
    other = Cell("lenet_300_100", "rigl", 0.9, 1)
    first = measure(quick_bench, cell)["accuracy"]
    measure(quick_bench, other)
    assert measure(quick_bench, cell)["accuracy"] == first
