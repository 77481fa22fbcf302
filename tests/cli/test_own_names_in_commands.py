"""Commands on a user's own model, data and criterion, by name."""

_MINE = """
import keras
import numpy as np
import tensorflow as tf

def network(classes, input_shape):
    return keras.Sequential([
        keras.Input(input_shape),
        keras.layers.Dense(6, "relu"),
        keras.layers.Dense(classes),
    ])

def data():
    y = np.arange(60) % 3
    x = np.random.default_rng(0).normal(size=(60, 4)) + 2 * np.eye(4)[y]
    return (x[:40], y[:40]), (x[40:], y[40:])

def smallest(objective, weights, masks):
    return {name: -tf.abs(w) for name, w in weights.items()}
"""
_CONFIG = """
def get_config(arg=""):
    return {
        "model": {"name": "their_things:network"},
        "dataset": {"name": "their_things:data", "batch_size": 20},
        "pruner": {"method": "their_things:smallest", "sparsity": 0.5},
        "training": {"epochs": 1},
    }
"""


def test_a_users_things_go_through_all_commands(
    command, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "their_things.py").write_text(_MINE)
    (tmp_path / "their_config.py").write_text(_CONFIG)
    command("train --config=their_config.py --workdir=first")
    command(
        "sweep --config=their_config.py --runs=runs --sparsities=0.5 --seeds=0 "
        "--methods=dense,snip,their_things:smallest"
    )
    assert "[3/3]" in capsys.readouterr().out
    command("report --runs=runs")
    reported = capsys.readouterr().out
    assert "their_things:network" in reported
    assert "their_things:smallest" in reported
    assert "sources." not in reported  # No method has two versions of them.
    made = "--data=their_things:data --method=their_things:smallest"
    where = "--model=first/model.keras --out=pruned.keras"
    command(f"prune {where} {made} --sparsity=0.5")
    command("compare first/model.keras pruned.keras")
    command(
        "compress first/model.keras --data=their_things:data --out=small.keras "
        "--target=sparsity:0.5 --step=0.5 --nodistill"
    )
    assert "sparsity" in capsys.readouterr().out
    command("evaluate --model=pruned.keras --data=their_things:data")
    assert "ccuracy" in capsys.readouterr().out
