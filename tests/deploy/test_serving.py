"""`how-to/deployment.md`: what it shows runs, and serves without kprune."""

import importlib.util
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from test_export import IMPORT_BLOCKER

import kprune
from kprune.deploy.exporting.formats import FORMATS

TEXT = pathlib.Path(__file__).parents[2] / "docs/how-to/deployment.md"
FIRST, _QUANTIZING, *SERVING = re.findall(
    r"```python\n(.*?)```", TEXT.read_text(), re.S
)
# Where it is not installed, TensorFlow's own interpreter is the same.
LITERT = "from ai_edge_litert.interpreter import Interpreter"
INSTEAD = "from tensorflow import lite; Interpreter = lite.Interpreter"


ONNX = ("onnx", "tf2onnx", "onnxruntime")
WITHOUT = "import sys; sys.modules.update(tensorflow=None, keras=None)\n"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The directory in which the first example was run, and the class that its
    model says."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        scope = {}
        exec(compile(FIRST, "deployment.md", "exec"), scope)
    model = scope["model"]
    if all(map(importlib.util.find_spec, ONNX)):
        kprune.export(model, folder / "model.onnx")
    return folder, int(np.argmax(model(scope["x"][:1])))


def test_the_example_writes_what_it_says(exported):
    folder, _ = exported
    names = {path.name for path in folder.iterdir()} - {"model.onnx"}
    assert names == {
        *("served", "model.keras", "model.kpz", "x.npy"),
        *("model.tflite", "int8.tflite"),
    }


def run(code, folder):
    """Runs a program where kprune cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", f"{IMPORT_BLOCKER}\n{code}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("code", SERVING)
def test_a_program_serves_where_kprune_cannot_be_imported(code, exported):
    folder, expected = exported
    if "import onnxruntime" in code:
        for name in ONNX:
            pytest.importorskip(name, reason="kprune[onnx] is not installed")
    assert len(code.strip().splitlines()) <= 10
    if LITERT in code and not importlib.util.find_spec("ai_edge_litert"):
        code = code.replace(LITERT, INSTEAD)
    if "tensorflow" not in code:
        code = WITHOUT + code
    result = run(code, folder)
    assert result.returncode == 0, result.stderr[-2000:]
    assert int(result.stdout.split()[-1]) == expected


def test_there_kprune_cannot_be_imported(tmp_path):
    assert "kprune is not here" in run("import kprune", tmp_path).stderr


def test_the_table_names_each_format_that_is_written():
    for name, one in FORMATS.items():
        assert f"| `{name}` |" in TEXT.read_text()
        assert all(f"`{q}`" in TEXT.read_text() for q in one.quantize)
