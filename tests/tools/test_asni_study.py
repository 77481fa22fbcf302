"""ASNI's study: four variants, their table, findings and figures."""

import pytest

from kprune.pruning import kept_weights

TINY = (
    "--config=asni:quick",
    "--config.training.epochs=3",
    "--config.pruner.options.alpha=90.0",
)


@pytest.mark.slow
def test_four_variants_and_their_table(study, tmp_path, capsys, rows):
    pytest.importorskip("matplotlib")
    arguments = (*TINY, f"--runs={tmp_path / 'runs'}", "--seeds=0")
    study("asni", *arguments, f"--plots={tmp_path / 'plots'}")
    out = capsys.readouterr().out
    found = rows(out)
    assert [row[0] for row in found] == ["variant", *"DACS", ""]
    paper = ["96.88", "96.72", "96.93", "96.75"]
    assert [row[3] for row in found[1:5]] == paper
    # 90 % / (1 + exp(0.5 / 5)) is 42.752 % after the first epoch: of 50,200
    # weights 21,461 go, and 29,149 of 50,610 parameters are left.
    left = [row[4] for row in found[1:5]]
    assert left == ["50,610 of 50,610"] + 3 * ["29,149 of 50,610"]
    assert "S is below C" in out
    (path,) = tmp_path.glob("runs/*asni*/centroids.npz")
    assert len(kept_weights.Centroids.load(path).values) == 3
    drawn = sorted(p.stem for p in (tmp_path / "plots").glob("*.svg"))
    assert drawn == ["sparsity", "weights_A", "weights_C", "weights_S"]
    assert "removed, in %" in (tmp_path / "plots/sparsity.svg").read_text()
    study("asni", *arguments)  # Nothing is trained again.
    again = capsys.readouterr().out
    assert again.split("\n\n")[1] == out.split("\n\n")[1]


def test_the_findings(part, monkeypatch):
    run = part("asni.run")
    shares = {"D": 90.0, "A": 89.95, "C": 89.0, "S": 89.01}
    monkeypatch.setattr(
        run.experiment, "result", lambda path: {"test_accuracy": path / 100}
    )
    found = {
        (variant, seed): share + spread
        for variant, share in shares.items()
        for seed, spread in enumerate((-0.03, 0.0, 0.03))
    }
    # One of D differs from one of A by 0.25 less 0.3: t = 0.25 / 0.0245.
    lines = run.findings(found).splitlines()
    assert [line.split(" (")[0] for line in lines] == [
        "- A is at most 0.3 points below D: true",
        "- C is at most 0.3 points below D: false",
        "- S is below C: undecided",
    ]
    assert "(-0.05, p = 0.001)" in lines[0]
    # Holm's correction took the second of three p-values twice: t = 10.2 of
    # four degrees has p = 0.00052.
    two = {key: share for key, share in found.items() if key[1] < 2}
    assert run.findings(two).count("undecided") == 3
    only = {key: share for key, share in found.items() if key[0] in "AC"}
    assert run.findings(only) == ""


def test_c_and_s_are_tickets_of_a(part):
    run = part("asni.run")
    base = run.experiment.complete({"pruner": {"method": "asni"}})
    a, c, s = (run.config_of(base, v, 7, "runs") for v in "ACS")
    for config, weights in ((c, "centroids"), (s, "original")):
        assert config.pruner.method == "ticket"
        assert config.pruner.options.to_dict() == {
            "run": run.path_of(a, "runs"),
            "weights": weights,
        }
    assert run.config_of(base, "D", 7, "runs").pruner.method == "dense"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--config=quickstart",), "a config of the method 'asni'"),
        ((TINY[0], "--variants=D,B"), "some of D, A, C, S"),
        ((TINY[0], "--variants=C"), "name it as well"),
    ],
)
def test_what_does_not_fit_is_said(refused, tmp_path, arguments, expected):
    assert expected in refused("asni", *arguments, f"--runs={tmp_path}")
