"""The study of subnetworks: each experiment, its file and table."""

import json

import pytest


def config(name, runs, *more):
    return "subnetworks", f"--config={name}:quick", f"--runs={runs}", *more


def result(path):
    return json.loads(path.read_text())["result"]


def test_supermasks_are_trained_once_and_tabulated(
    study, refused, tmp_path, capsys, rows
):
    arguments = config("supermask", tmp_path, "--variants=paper", "--seeds=4")
    study(*arguments)
    head, line = rows(capsys.readouterr().out)
    assert head[1:] == ["left out", "untrained", "test", "as a plain network"]
    assert line[0] == "paper"
    assert rows((tmp_path / "quick_supermask.md").read_text()) == [head, line]
    (path,) = tmp_path.glob("*.json")
    assert path.name == "quick_supermask-paper-seed4.json"
    found = result(path)
    assert found["moved"] == 0
    assert 0.4 < found["sparsity"] < 0.6
    assert len(found["epochs"]) == 1
    before = path.stat().st_mtime_ns
    study(*arguments)
    assert path.stat().st_mtime_ns == before
    other = "--config.paper.experiment.draws=3"
    assert "computed with other settings" in refused(*arguments, other)
    said = refused(*config("supermask", tmp_path, "--variants=adamm"))
    assert "Did you mean 'adam'" in said


def test_tasks_are_told_apart(study, tmp_path, capsys, rows):
    study(*config("supsup", tmp_path, "--seeds=3"))
    head, *lines = rows(capsys.readouterr().out)
    assert head[1:4] == ["given", "one shot", "one shot, tasks"]
    assert [line[0] for line in lines] == ["task 1", "task 2", "**mean**"]
    found = result(tmp_path / "quick_supsup-paper-seed3.json")
    assert found["moved"] == 0
    # Two batches of 128 are in the 360 images of the test set.
    assert {task["binary, tasks"] for task in found["tasks"]} <= {0, 50, 100}


@pytest.mark.slow
def test_subnetworks_of_exact_size_are_chosen(study, tmp_path, capsys, rows):
    study(*config("edge_popup", tmp_path))
    _, *lines = rows(capsys.readouterr().out)
    assert [line[:2] for line in lines] == [
        ["biprop_global_50", "50.00 %"],
        ["constant_50", "50.00 %"],
        ["recycled_50", "50.00 %"],
    ]
    found = result(tmp_path / "quick_edge_popup-constant_50-seed0.json")
    assert found["test"] == found["plain"]
    assert found["moved"] == 0
    found = result(tmp_path / "quick_edge_popup-recycled_50-seed0.json")
    assert found["moved"] > 0


def test_another_config_is_refused(refused, tmp_path):
    said = refused("subnetworks", "--config=quickstart", f"--runs={tmp_path}")
    assert "`paper.experiment` of the kind subnetwork or tasks" in said
