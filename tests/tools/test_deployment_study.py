"""The study of deployment on its smallest network."""

import contextlib
import importlib.util
import io
import pathlib

import numpy as np
import pytest

import kprune_command
from kprune.runtime import files

ROOT = pathlib.Path(__file__).parents[2]
SMALL = (
    "--networks=mlp",
    "--prunings=unstructured,channels",
    "--files=litert,litert_int8,onnx",
    "--images=64",
    "--epochs=1",
    "--repeats=1",
)


@pytest.fixture(scope="module", autouse=True)
def without_onnx():
    """`onnx` is not installed."""
    real = importlib.util.find_spec

    def find(name, *rest):
        return None if name == "onnx" else real(name, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", find)
        yield


@pytest.fixture(scope="module")
def finished(without_onnx, tmp_path_factory):
    """The directory of all cells, and what the study printed."""
    workdir = tmp_path_factory.mktemp("runs") / "deployment"
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools" / "studies")
        with contextlib.redirect_stdout(printed):
            arguments = [f"--workdir={workdir}", *SMALL]
            kprune_command.run("deployment.run", arguments)
    return workdir, printed.getvalue()


def cell(workdir, name):
    return files.read_record(workdir / f"{name}.json")


def test_it_measures_files_and_prints_tables(finished, rows):
    workdir, out = finished
    lite = cell(workdir, "mlp-dense-litert")
    pruned = cell(workdir, "mlp-unstructured-litert")
    small = cell(workdir, "mlp-channels-litert")
    assert lite["stored"] == {"dense": 3}
    assert pruned["bytes"] < lite["bytes"] / 5
    assert small["bytes"] < 0.6 * lite["bytes"]
    assert small["error"] <= 1e-4 and small["faster"] > 0
    int8 = cell(workdir, "mlp-channels-litert_int8")
    assert 1e-4 < int8["error"] <= 0.1
    head, float32, quantized = rows(out)
    assert len(head) == len(float32) == 3 + 2 * 3
    assert quantized[0] == "litert int8"
    assert float32[-1].startswith(f"{small['faster']:.2f}")
    assert "\nNot run: onnx.\n" in out


def test_cells_are_read_again_and_a_wrong_one_is_told(
    finished, refused, capsys
):
    workdir, _ = finished
    small = cell(workdir, "mlp-channels-litert")
    before = {p: p.stat().st_mtime_ns for p in workdir.iterdir()}
    files.write_record(
        workdir / "mlp-channels-litert_int8.json",
        {"refused": "The network cannot be quantized."},
    )
    files.write_record(
        workdir / "mlp-channels-litert.json", {**small, "error": np.nan}
    )
    assert refused("deployment", f"--workdir={workdir}", *SMALL) == 1
    said = capsys.readouterr()
    assert "**nan: wrong**" in said.out
    assert "refused (1)" in said.out
    assert "\n(1) The network cannot be quantized.\n" in said.out
    assert said.err == (
        "\nmlp, channels, litert: the file is wrong on images held out.\n"
    )
    after = {p: p.stat().st_mtime_ns for p in workdir.iterdir()}
    changed = sorted(p.name for p in after if after[p] != before.get(p))
    assert changed == [
        "mlp-channels-litert.json",
        "mlp-channels-litert_int8.json",
    ]


def test_times_that_scatter_are_shown_with_their_middle_half(part):
    matrix = part("deployment.matrix")
    record = {"error": 0.0, "allowed": 1e-4, "bytes": 999, "gzipped": 99}
    dense = {("keras", "dense"): record}
    for high, expected in ((1.1, "| 1.00 |"), (2.0, "| 1.00 (0.9 to 2) |")):
        times = {"faster": 1.0, "middle_half": [0.9, high], "ms": [1.0, 1.0]}
        records = {**dense, ("keras", "2_of_4"): {**record, **times}}
        spreads = {"dense": 1.0, "2_of_4": 1.0}
        chosen = ["keras"], ["2_of_4"]
        table = matrix.table("mlp", *chosen, records, spreads)
        assert table.endswith(expected)


def test_a_network_that_ignores_its_inputs_is_refused(part):
    networks = part("deployment.networks")
    model = networks.build("mlp", seed=0)
    _, x = networks.digits((28, 28, 1), 1)
    assert networks.check_spread("mlp", model, x) > 0.1
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    with pytest.raises(RuntimeError, match="hardly depend on its inputs"):
        networks.check_spread("mlp", model, x)


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("--networks=mlpp", "Did you mean 'mlp'"),
        ("--prunings=channel", "Did you mean 'channels'"),
        ("--files=litert_int", "Did you mean 'litert_int8'"),
    ],
)
def test_a_typing_error_is_answered(flag, expected, refused, tmp_path):
    workdir = tmp_path / "run"
    assert expected in refused("deployment", f"--workdir={workdir}", flag)
    assert not workdir.exists()
