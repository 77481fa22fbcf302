"""The binary `tools/find_ticket.py`."""

import importlib
import json

import numpy as np
import pytest

import kprune
from kprune import experiment
from kprune.tickets import rewinding, training_segment

QUICK = "--config=configs/lottery_ticket.py:quick"
SHORT = (
    QUICK,
    "--config.paper.tickets.levels=1",
    "--config.paper.tickets.baselines_at=(1,)",
    "--config.paper.tickets.fraction=0.2",
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
    return [line.split("|") for line in text.splitlines() if line[:2] == "| "]


@pytest.mark.slow
def test_a_ticket_its_baselines_and_their_table(
    binary, tmp_path, capsys, trained
):
    runs = tmp_path / "runs"
    binary("find_ticket", *SHORT, f"--runs={runs}")
    out = capsys.readouterr().out
    rows = table_in(out)
    assert [row[1].strip() for row in rows] == ["level", "0", "1"]
    # 50,200 weights, of which a fifth goes.
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
    for values, masks in (dense, ticket, reinitialized, shuffled):
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

    binary("report", f"--runs={runs}")
    told = capsys.readouterr().out.splitlines()
    cells = dict(line[2:-2].split(" | ") for line in told if line[:4] == "| im")
    assert cells == {
        "imp": rows[2][3].strip(),
        "imp + reinitialize": rows[2][4].strip(),
        "imp + shuffle": rows[2][5].strip(),
    }

    trained.clear()
    binary("find_ticket", *SHORT, f"--runs={runs}")  # Nothing trains again.
    assert trained == []
    assert table_in(capsys.readouterr().out) == rows

    other = "--config.paper.tickets.fraction=0.3"
    with pytest.raises(SystemExit) as error:
        binary("find_ticket", *SHORT[:3], other, f"--runs={runs}")
    assert "fraction: 0.2 there, 0.3 here" in error.value.code


@pytest.mark.slow
def test_sparsities_are_searches_of_one_level(binary, tmp_path, trained):
    def search(sparsities):
        binary(
            "find_ticket",
            "--config=configs/lottery_ticket.py:magnitude_after_training",
            "--config.dataset.name=digits",
            "--config.training.epochs=1",
            "--config.training.steps_per_epoch=2",
            "--config.training.steps_per_execution=1",
            f"--config.paper.tickets.sparsities={sparsities}",
            "--seeds=0",
            f"--runs={tmp_path}",
        )

    search("(0.5, 0.75)")
    (directory,) = (path for path in tmp_path.iterdir() if path.is_dir())
    sparsities = [
        json.loads((directory / f"ticket-{level:02d}.json").read_text())[
            "sparsity"
        ]
        for level in (0, 1, 2)
    ]
    assert sparsities == [0, 0.5, 0.75]
    with pytest.raises(SystemExit) as error:
        search("(0.25, 0.5)")
    assert "is of another ticket, at 0.500000" in error.value.code
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


def test_a_shorter_search_leaves_the_other_results(binary, tmp_path):
    records = importlib.import_module("lottery.records")
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


@pytest.mark.slow  # Twice what the test above takes.
def test_a_plot_and_several_seeds(binary, tmp_path, capsys):
    image = pytest.importorskip("matplotlib.image")
    arguments = (*SHORT, f"--runs={tmp_path}", "--seeds=0,1")
    binary("find_ticket", *arguments)
    rows = table_in(capsys.readouterr().out)
    assert all("±" in cell for cell in rows[2][3:6])
    assert image.imread(tmp_path / "imp.png").std() > 0


def test_a_config_without_a_search_is_refused(binary, tmp_path):
    with pytest.raises(SystemExit) as error:
        binary(
            "find_ticket",
            "--config=configs/quickstart.py",
            f"--runs={tmp_path}",
        )
    assert "`paper.tickets`" in error.value.code
