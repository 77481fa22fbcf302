import importlib
import pathlib
import sys

import pytest
from absl.testing import flagsaver

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def binary(monkeypatch):
    """Returns a function that runs a binary of `tools/` in this process."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    monkeypatch.chdir(ROOT)

    def call(name, *arguments):
        argv = [f"tools/{name}.py", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", argv)
        sys.modules.pop(name, None)
        # Takes away the flags that the binary and its config define.
        with flagsaver.flagsaver():
            module = importlib.import_module(name)
            module.main(module.command_line.parse(argv))

    return call
