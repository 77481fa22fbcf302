"""`docs/deployment.md`: what it shows runs, and serves where kprune is not."""

import importlib.util
import pathlib
import re
import subprocess
import sys

import pytest
from test_export import IMPORT_BLOCKER

from kprune.deploy.exporting.formats import FORMATS

TEXT = pathlib.Path(__file__).parents[2] / "docs" / "deployment.md"
FIRST, *SERVING = re.findall(r"```python\n(.*?)```", TEXT.read_text(), re.S)
# Where it is not installed, TensorFlow's own interpreter is the same.
LITERT = "from ai_edge_litert.interpreter import Interpreter"
INSTEAD = "from tensorflow import lite; Interpreter = lite.Interpreter"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The directory in which the first example was run."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(compile(FIRST, "deployment.md", "exec"), {})
    return folder


def test_the_example_writes_what_it_says(exported):
    names = {path.name for path in exported.iterdir()}
    assert names == {
        *("served", "model.keras", "model.kpz"),
        *("model.tflite", "int8.tflite"),
    }


def package(code):
    """The package that a program imports beside NumPy and TensorFlow."""
    found = re.findall(r"(?m)^(?:from|import) (onnxruntime|openvino)", code)
    return found[0] if found else None


@pytest.mark.parametrize("code", SERVING)
def test_a_program_serves_where_kprune_cannot_be_imported(code, exported):
    if package(code) and not importlib.util.find_spec(package(code)):
        pytest.skip(f"{package(code)} is not installed")
    if not importlib.util.find_spec("ai_edge_litert"):
        code = code.replace(LITERT, INSTEAD)
    assert len(code.strip().splitlines()) <= 10
    result = subprocess.run(
        [sys.executable, "-c", f"{IMPORT_BLOCKER}\n{code}"],
        cwd=exported,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert 0 <= int(result.stdout.split()[-1]) < 10


def test_the_table_names_each_format_that_is_written():
    for name, one in FORMATS.items():
        if one.extra is None:
            assert f"| `{name}` |" in TEXT.read_text()
            assert all(f"`{q}`" in TEXT.read_text() for q in one.quantize)
