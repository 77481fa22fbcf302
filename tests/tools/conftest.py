import importlib
import pathlib

import pytest

import kprune_command

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def study(monkeypatch):
    """Returns a function that runs a study of `tools/` in this process."""
    monkeypatch.syspath_prepend(ROOT / "tools" / "studies")
    monkeypatch.chdir(ROOT)

    def call(name, *arguments):
        kprune_command.run(f"{name}.run", [*map(str, arguments)])

    return call


@pytest.fixture
def part(study):
    """Returns a function to a module of a study, by its dotted name."""
    return importlib.import_module


@pytest.fixture
def refused(study):
    """Returns a function to what a study says as it ends in failure."""

    def call(name, *arguments):
        with pytest.raises(SystemExit) as error:
            study(name, *arguments)
        return error.value.code

    return call


@pytest.fixture
def rows():
    """Returns a function to the cells of the Markdown tables in a text."""

    def cells(text):
        return [
            [cell.strip() for cell in line.split("|")[1:-1]]
            for line in text.splitlines()
            if line.startswith("| ") and "---" not in line
        ]

    return cells
