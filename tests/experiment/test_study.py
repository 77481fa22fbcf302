"""Studies: variants and seeds that are computed once, and what is shown."""

import itertools
import json

import numpy as np
import pytest

from kprune import experiment
from kprune.experiment.results import study
from kprune.runtime import plots

EXPERIMENT = {
    "name": "two",
    "kind": "draws",
    "training": {"rate": 1, "epochs": 2},
    "seeds": [0, 1],
    "variants": {"plain": {}, "fast": {"training": {"rate": 9}}},
}


def config(**changes):
    paper = {"experiment": {**EXPERIMENT, **changes}}
    return experiment.complete({"model": {"name": "fc"}, "paper": paper})


def kind(calls):
    def compute(build, setting, seed, dataset):
        calls.append((setting["training"], seed, dataset["data_dir"]))
        return {"units": build().layers[-1].units}

    return study.Kind(compute, lambda experiment, found: "")


def run(kind, runs, labels=None, seeds=None, **changes):
    full = config(**changes)
    found = study.experiment_of(full, {"draws": kind}, "configs/x.py")
    variants, seeds = study.chosen(found, labels, seeds)
    told = []
    note = lambda name, result: told.append(name)  # noqa: E731
    what = (full, kind, found, variants, seeds)
    return study.run(*what, runs, "data", note), told


def test_each_variant_and_seed_is_computed_once(tmp_path):
    calls = []
    found, told = run(kind(calls), tmp_path, seeds=["1", "4"])
    rates = {"fast": 9, "plain": 1}
    cells = list(itertools.product(rates, (1, 4)))
    assert calls == [
        ({"rate": rates[label], "epochs": 2}, seed, "data")
        for label, seed in cells
    ]
    assert told == [f"two-{label}-seed{seed}.json" for label, seed in cells]
    assert [r["units"] for r in found["fast"]] == [10, 10]
    assert found["plain"][0]["seconds"] > 0
    again, _ = run(kind(calls), tmp_path, labels=["fast"], seeds=["4"])
    assert again == {"fast": [found["fast"][1]]}
    assert len(calls) == 4
    with pytest.raises(ValueError, match="computed with other settings"):
        run(kind(calls), tmp_path, training={"rate": 1, "epochs": 3})


def test_what_version_0_1_stored_is_read(tmp_path):
    calls = []
    run(kind(calls), tmp_path, labels=["plain"], seeds=["0"])
    path = tmp_path / "two-plain-seed0.json"
    record = json.loads(path.read_text())
    # Those of subnetworks held the name of the experiment.
    record["settings"]["name"] = "two"
    del record["sha256"]  # None had a digest.
    path.write_text(json.dumps(record))
    run(kind(calls), tmp_path, labels=["plain"], seeds=["0"])
    assert len(calls) == 1


def test_what_is_not_there_is_answered(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'fast'"):
        study.chosen(EXPERIMENT, ["fsat"], None)
    with pytest.raises(ValueError, match=r"such as configs/x.py. Received: 'd"):
        study.experiment_of(config(), {"other": None}, "configs/x.py")


def test_a_report_is_written_and_drawn(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "missing", lambda: None)
    base = tmp_path / "new" / "name"
    assert study.publish("text", str(base), drawn.append) == [
        f"Written: {base}.md",
        f"Drawn: {base}.svg",
    ]
    assert (tmp_path / "new" / "name.md").read_text() == "text\n"
    assert drawn == [f"{base}.svg"]
    monkeypatch.setattr(plots, "missing", lambda: "No plot.")
    assert study.publish("", str(base), drawn.append)[1:] == ["No plot."]
    assert study.publish("", str(base)) == [f"Written: {base}.md"]
    assert len(drawn) == 1


# What is drawn.


@pytest.fixture
def axes(monkeypatch):
    """The axes of each figure, as they are when it is saved."""
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    found = []
    save = Figure.savefig

    def saved(figure, *arguments, **options):
        found.append(figure.axes)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", saved)
    return found


def test_panels_have_lines_bands_rules_and_ticks(axes, tmp_path):
    lines = [
        plots.Line([1, 10], [4.0, 2.0], "a", [1.0, 0.5], band=True),
        plots.Line([1, 10], [3.0, 1.0], "b", hollow=True),
        plots.Rule(5.0, label="dense", spread=(4.5, 5.5)),
        plots.Rule(x=2.0),
    ]
    ticks = {10: "ten", 1: "one"}
    first = plots.Panel(lines, "t", log="x", inverted="xy", xticks=ticks)
    path = tmp_path / "plot.png"
    plots.draw([first, plots.Panel([])] * 2, path, columns=3, legend="below")
    assert path.read_bytes().startswith(b"\x89PNG")
    ((axis, *others),) = axes
    assert len(others) == 5 and not others[-1].axison  # Two rows of three.
    assert [t.get_text() for t in axis.get_xticklabels()] == ["ten", "one"]
    assert axis.get_xscale() == "log" and axis.get_yscale() == "linear"
    assert axis.xaxis_inverted() and axis.yaxis_inverted()
    (band,) = axis.collections
    assert band.get_paths()[0].vertices[:, 1].max() == 5.0  # 4 + 1.
    drawn, hollow, dense, upright = axis.lines
    assert drawn.get_color() == plots.COLORS[0]
    assert hollow.get_markerfacecolor() == "white"
    assert list(dense.get_ydata()) == [5, 5]
    assert list(upright.get_xdata()) == [2, 2]
    names = [text.get_text() for text in axis.figure.legends[0].get_texts()]
    assert names == ["dense", "a", "b"]


def test_histograms_bars_and_heat_maps(axes, tmp_path):
    values = {"one": np.arange(60.0), "two": np.arange(3.0)}
    marks = {"one": [1.0, 2.0], "two": []}
    plots.histograms(values, marks, tmp_path / "h.png", "title")
    plots.bars({"fc1": 90.0, "fc2": 50.0}, tmp_path / "b.png", "removed")
    matrix = np.array([[1.0, 0.25], [0.25, 1.0]])
    plots.heat_map(["a", "b"], matrix, tmp_path / "m.png", "overlap")
    (one, two), (bars,), (map_,) = axes
    assert [p.get_height() for p in one.patches] == [1] * 60
    assert (len(one.lines), len(two.lines)) == (2, 0)
    assert [p.get_width() for p in bars.patches] == [90, 50]
    overlaps = ["1.00", "0.25", "0.25", "1.00"]
    assert [t.get_text() for t in map_.texts] == overlaps
    assert [t.get_color() for t in map_.texts][:2] == ["black", "white"]
