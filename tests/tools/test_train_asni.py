"""The binary `tools/train_asni.py`."""

import pytest

from kprune.pruning import kept_weights

TINY = (
    "--config=configs/asni.py:quick",
    "--config.training.epochs=3",
    "--config.pruner.options.alpha=90.0",
)


@pytest.mark.slow
def test_four_variants_and_their_table(binary, tmp_path, capsys):
    image = pytest.importorskip("matplotlib.image")
    arguments = (*TINY, f"--runs={tmp_path / 'runs'}", "--seeds=0")
    binary("train_asni", *arguments, f"--plots={tmp_path / 'plots'}")
    out = capsys.readouterr().out
    rows = [line.split("|") for line in out.splitlines() if line[:2] == "| "]
    assert [row[1].strip() for row in rows] == ["variant", *"DACS", ""]
    assert [row[4].strip() for row in rows[1:5]] == [
        "96.88",
        "96.72",
        "96.93",
        "96.75",
    ]
    # 90 % / (1 + exp(0.5 / 5)) is 42.752 % after the first epoch: of 50,200
    # weights 21,461 go, and 29,149 of 50,610 parameters are left.
    left = [row[5].strip() for row in rows[1:5]]
    assert left == ["50,610 of 50,610"] + 3 * ["29,149 of 50,610"]
    assert "S is below C" in out
    (path,) = tmp_path.glob("runs/*asni*/centroids.npz")
    assert len(kept_weights.Centroids.load(path).values) == 3
    drawn = sorted(p.name for p in (tmp_path / "plots").iterdir())
    assert drawn == [
        "sparsity.png",
        "weights_A.png",
        "weights_C.png",
        "weights_S.png",
    ]
    assert image.imread(tmp_path / "plots" / drawn[0]).std() > 0
    binary("train_asni", *arguments)  # Nothing is trained again.
    again = capsys.readouterr().out
    assert again.split("\n\n")[1] == out.split("\n\n")[1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--config=configs/quickstart.py",), "a config of the method 'asni'"),
        ((TINY[0], "--variants=D,B"), "of D, A, C, S"),
        ((TINY[0], "--variants=C"), "name it as well"),
    ],
)
def test_what_does_not_fit_is_said(binary, tmp_path, arguments, expected):
    with pytest.raises(SystemExit) as error:
        binary("train_asni", *arguments, f"--runs={tmp_path}")
    assert expected in error.value.code
