"""`kprune sensitivity`, what `kprune prune` makes of it, and pages."""

import json
import re

import keras
import numpy as np
import pytest
from networks import CE, conv_net, examples

import kprune
from kprune import experiment
from kprune.experiment import directory


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Files of a compiled model, "in.keras", and of data, "data.npz"."""
    folder = tmp_path_factory.mktemp("models")
    model = conv_net(norm=False)
    model.compile("sgd", CE, metrics=["accuracy"])
    model.save(folder / "in.keras")
    x, y = examples(32, 6, 6, 2)
    np.savez(folder / "data.npz", x=x, y=y)
    return folder


def test_it_prints_the_table_and_saves_it(command, saved, tmp_path, capsys):
    flags = {"model": saved / "in.keras", "npz": saved / "data.npz"}
    found = tmp_path / "found.json"
    options = "--levels=0.5,0.9 --batches=2 --batch_size=8"
    command(f"sensitivity {options}", **flags, save=found)
    out = capsys.readouterr().out
    assert "accuracy on 16 examples" in out  # Two batches of eight.
    assert [line.split()[0] for line in out.splitlines()[-4:-1]] == [
        "conv",
        "fc1",
        "fc2",
    ]
    record = json.loads(found.read_text())
    model = keras.models.load_model(saved / "in.keras")
    x, y = (np.load(saved / "data.npz")[name] for name in "xy")
    batches = [(x[:8], y[:8]), (x[8:16], y[8:16])]
    expected = kprune.sensitivity(model, batches, levels=[0.5, 0.9], verbose=0)
    assert record == expected.to_dict()
    command(f"sensitivity {options} --json", **flags, levels="0.5")
    assert json.loads(capsys.readouterr().out)["levels"] == [0.5]
    out = tmp_path / "out.keras"
    command(
        "prune --sparsity=0.5", model=flags["model"], out=out, sensitivity=found
    )
    pruned = keras.models.load_model(out)
    by = kprune.allocation.sensitivity(record)
    masks = kprune.get_masks(kprune.prune(model, sparsity=0.5, allocation=by))
    for name, mask in kprune.get_masks(pruned).items():
        np.testing.assert_array_equal(mask, masks[name])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sensitivity", "Expected --data=NAME or --npz=FILE"),
        ("sensitivity --levels=a --npz=", "Expected --levels=0.5,0.9"),
        ("sensitivity --unit=bloc --npz=", "Did you mean 'block'"),
        ("sensitivity --data=digits --npz=", "one of --data and --npz"),
        ("prune --out=o.keras --sensitivity=", "Expected JSON in"),
        ("report --html=a.html --candidates=", "Expected JSON in"),
    ],
)
def test_what_is_refused(line, words, refusal, saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = f"{line}{saved / 'data.npz'}" if line.endswith("=") else line
    assert words in refusal(line, model=saved / "in.keras")


# A page of one model.


def test_a_page_of_a_model_and_its_candidates(command, saved, tmp_path, capsys):
    candidates = tmp_path / "found.json"
    candidates.write_text('[{"sparsity": 0.5, "metric": 0.9, "chosen": true}]')
    page = tmp_path / "page.html"
    flags = {"html": page, "candidates": candidates}
    command("report", model=saved / "in.keras", **flags)
    out = capsys.readouterr().out
    assert 'Model: "net"' in out and f"{page} holds the page." in out
    text = page.read_text()
    rows = re.findall(r'data-weight="([^"]+)"', text)
    assert rows == ["conv/kernel", "fc1/kernel", "fc2/kernel"]
    assert "<h2>Candidates</h2>" in text and "<h2>Training</h2>" not in text


def test_a_page_of_a_run_has_its_curves(command, saved, tmp_path, capsys):
    run = tmp_path / "run"
    config = experiment.complete(experiment.default())
    directory.start(run, {"config": config.to_dict()})
    model = keras.models.load_model(saved / "in.keras")
    model.save(run / directory.MODEL)
    lines = [{"epoch": n, "loss": 1 / n, "val_loss": 2 / n} for n in (1, 2)]
    lines.append({"test_loss": 0.7})
    text = "\n".join(map(json.dumps, lines))
    (run / directory.METRICS).write_text(text)
    page = tmp_path / "page.html"
    command("report", workdir=run, html=page)
    assert page.read_text().count("<polyline") == 2
    command("report", workdir=run)
    assert "holds the page" not in capsys.readouterr().out.split("page.")[-1]


def test_a_page_is_of_a_model_or_of_runs(refusal, tmp_path):
    said = refusal("report --html=a.html", runs=tmp_path)
    assert "No finished run" in said
    said = refusal("report --html=a.html")
    assert "Expected --runs=DIRECTORY, --model=NAME.keras" in said
