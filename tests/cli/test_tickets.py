"""`kprune tickets`: searches, their baselines, tables and plots."""

import json

import numpy as np
import pytest

import kprune
from kprune import experiment
from kprune.experiment.tickets import records, tables
from kprune.runtime import plots
from kprune.tickets import rewinding, training_segment

SHORT = (
    "tickets --config=configs/lottery_ticket.py:quick "
    "--config.paper.tickets.levels=1 "
    "--config.paper.tickets.baselines_at=(1,) "
    "--config.paper.tickets.fraction=0.2 "
    "--config.model.name=fc --config.model.widths=(10,)"
)


@pytest.fixture
def trained(monkeypatch):
    """What every training that was begun has begun with."""
    begun, run = [], training_segment.TrainingSegment.run

    def noted(training, model, *arguments):
        masks = kprune.get_masks(model)
        begun.append((rewinding.values_of(model), masks))
        return run(training, model, *arguments)

    monkeypatch.setattr(training_segment.TrainingSegment, "run", noted)
    return begun


def table_in(text):
    lines = [line.split("|") for line in text.splitlines() if "|" in line]
    return [line for line in lines if "---" not in line[1]]


def test_a_ticket_its_baselines_and_their_table(
    command, refusal, tmp_path, capsys, trained
):
    runs = tmp_path / "runs"
    command(SHORT, runs=runs)
    out = capsys.readouterr().out
    rows = table_in(out)
    assert [row[1].strip() for row in rows] == ["level", "0", "1"]
    # 64 x 10 + 10 x 10 weights, of which a fifth goes.
    assert [row[2].strip() for row in rows[1:]] == ["0.00", "20.00"]
    assert rows[1][4].strip() == ""
    (directory,) = (path for path in runs.iterdir() if path.is_dir())
    names = ("ticket", "reinitialized", "shuffled")
    for name, cell in zip(names, rows[2][3:6], strict=True):
        result = json.loads((directory / f"{name}-01.json").read_text())
        assert cell.strip() == f"{100 * result['accuracy']:.2f}"
    assert "At 20.0 % the ticket and its own shuffle: " in out
    assert (runs / "imp.md").read_text().strip() in out

    dense, ticket, reinitialized, shuffled = trained
    for values, masks in trained:
        for name, mask in masks.items():
            assert mask.sum() == ticket[1][name].sum() or mask.all()
            assert not values[name][~mask].any()
    initial = dense[0]["fc1/kernel"]
    for (values, masks), same_masks, same_weights in (
        (ticket, True, True),
        (reinitialized, True, False),
        (shuffled, False, True),
    ):
        mask = masks["fc1/kernel"]
        assert np.array_equal(mask, ticket[1]["fc1/kernel"]) == same_masks
        kept = values["fc1/kernel"][mask]
        assert np.array_equal(kept, initial[mask]) == same_weights

    command("report", runs=runs)
    told = capsys.readouterr().out.splitlines()
    cells = dict(line[2:-2].split(" | ") for line in told if line[:4] == "| im")
    assert cells == {
        "imp": rows[2][3].strip(),
        "imp + reinitialize": rows[2][4].strip(),
        "imp + shuffle": rows[2][5].strip(),
    }

    trained.clear()
    command(SHORT, runs=runs)  # Nothing trains again.
    assert trained == []
    assert table_in(capsys.readouterr().out) == rows

    other = f"{SHORT} --config.paper.tickets.fraction=0.3"
    assert "fraction: 0.2 there, 0.3 here" in refusal(other, runs=runs)


@pytest.mark.slow
def test_sparsities_are_searches_of_one_level(
    command, refusal, tmp_path, trained
):
    line = (
        "tickets --config=configs/lottery_ticket.py:magnitude_after_training "
        "--config.dataset.name=digits --config.training.epochs=1 "
        "--config.training.steps_per_epoch=2 "
        "--config.training.steps_per_execution=1 --seeds=0 "
        "--config.paper.tickets.sparsities="
    )
    command(f"{line}(0.5,0.75)", runs=tmp_path)
    (directory,) = (path for path in tmp_path.iterdir() if path.is_dir())
    levels = [
        json.loads((directory / f"ticket-{level:02d}.json").read_text())
        for level in (0, 1, 2)
    ]
    assert [level["sparsity"] for level in levels] == [0, 0.5, 0.75]
    said = refusal(f"{line}(0.25,0.5)", runs=tmp_path)
    assert "is of another ticket, at 0.500000" in said
    trained[:] = trained[:4]
    # Each from the dense network's trained weights, which are trained anew
    # for each, to the same bits.
    dense, half, same, quarter = trained
    for name, mask in quarter[1].items():
        assert np.array_equal(dense[0][name], same[0][name])
        assert (half[1][name] >= mask).all()
        kept = quarter[0][name][mask]
        np.testing.assert_array_equal(kept, half[0][name][mask])
        assert not np.array_equal(kept, dense[0][name][mask])


def test_a_shorter_search_leaves_the_other_results(tmp_path):
    config = experiment.complete({"paper": {"tickets": {}}})
    long = {
        (level, "ticket"): {"accuracy": level / 10, "sparsity": level / 4}
        for level in range(4)
    }
    records.write(tmp_path, config, {"name": "imp"}, long)
    short = {(1, "ticket"): {"accuracy": 0.9, "sparsity": 0.25}}
    records.write(tmp_path, config, {"name": "imp"}, short)
    found = records.read(json.loads((tmp_path / "tickets.json").read_text()))
    assert [(c.pruner.sparsity, r["test_accuracy"]) for c, r in found] == [
        (0.25, 0.9),
        (0.5, 0.2),
        (0.75, 0.3),
    ]


def pretended():
    """Results of three seeds: of the dense network, a ticket, one baseline."""
    return {
        seed: {
            (0, "ticket"): {"accuracy": 0.9 + seed / 100, "sparsity": 0.0},
            (3, "ticket"): {"accuracy": 0.8 + seed / 50, "sparsity": 0.5},
            (3, "shuffled"): {"accuracy": 0.76, "sparsity": 0.5},
        }
        for seed in (0, 1, 2)
    }


def test_several_seeds_have_a_deviation_and_a_verdict():
    # 90, 91, 92 and 80, 82, 84, less 76: t = 6 sqrt 3 / 2 of two degrees, and
    # p = 1 - t / sqrt(2 + t^2) = 0.0351; the interval is 6 -+ 4.3027 sqrt(4/3).
    assert tables.report(pretended()).splitlines()[2:] == [
        "| 0 | 0.00 | 91.00 ± 1.00 |  |  |",
        "| 3 | 50.00 | 82.00 ± 2.00 |  | 76.00 ± 0.00 |",
        "",
        "Sanity checks: p is of Welch's test, two-sided.",
        "",
        "- At 50.0 % the ticket beats its own shuffle: 82.00 +- 2.00 against "
        "76.00 +- 0.00, difference +6.00 [1.03, 10.97], p = 0.035, n = 3.",
    ]
    two = {seed: found for seed, found in pretended().items() if seed < 2}
    assert tables.report(two).endswith("undecided, with fewer than 3 runs.")


def test_verdicts_of_several_baselines_are_corrected():
    found = pretended()
    for results in found.values():
        results[3, "reinitialized"] = {"accuracy": 0.76, "sparsity": 0.5}
    # p = 0.0351 for either: beaten alone, not of two.
    said = tables.report(found)
    assert "correction over the 2 tests of this list" in said
    assert said.count("the ticket does not beat its own") == 2
    assert said.count("p = 0.035, p (Holm) = 0.07, n = 3.") == 2


def test_the_plot_is_of_means_over_the_weights_left(tmp_path):
    panel = tables.panel(pretended())
    ticket, reinitialized, shuffled = panel.lines
    assert (ticket.x, ticket.y) == ([100, 50], [91, 82])
    assert ticket.spread == pytest.approx([1, 2])
    assert (reinitialized.x, shuffled.x) == ([], [50])
    assert list(panel.xticks) == [100, 50]
    image = pytest.importorskip("matplotlib.image")
    plots.draw([panel], tmp_path / "plot.png")
    assert image.imread(tmp_path / "plot.png").std() > 0


def test_a_config_without_a_search_is_refused(refusal, tmp_path):
    said = refusal("tickets --config=quickstart", runs=tmp_path)
    assert "`paper.tickets`" in said
