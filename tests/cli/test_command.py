"""The command `kprune` itself: what it lists, answers and starts."""

import ast
import os
import pathlib
import re
import runpy
import shutil

import pytest

import kprune
import kprune_command
from kprune.cli import configs

ROOT = pathlib.Path(__file__).parents[2]
EACH = pytest.mark.parametrize("name", kprune_command.COMMANDS)


def test_it_lists_the_commands(capsys):
    for argv in (["kprune"], ["kprune", "--help"], ["kprune", "help"]):
        kprune_command.main(argv)
        listed = re.findall(r"(?m)^  kprune (\w+)", capsys.readouterr().out)
        assert listed == list(kprune_command.COMMANDS)


def test_the_list_needs_no_tensorflow():
    code = ast.parse((ROOT / "tools/kprune_command/__init__.py").read_text())
    names = {
        alias.name.partition(".")[0]
        for node in code.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not names & {"kprune", "keras", "tensorflow", "ml_collections"}


def test_it_says_what_it_runs_with(command, capsys):
    command("--version")
    assert f"kprune {kprune.__version__}, TensorFlow" in capsys.readouterr().out


def test_a_command_that_there_is_not(refusal):
    said = refusal("trian", "--config=quickstart")
    assert "Unknown command: 'trian'. Did you mean 'train'?" in said


@EACH
def test_each_shows_its_flags_and_an_example(name, command, capsys):
    command(name, "--help")
    out = capsys.readouterr().out
    assert f"\n  kprune {name} --" in out
    flags = out.partition("\nFlags:\n")[2]
    assert "--verbosity: 1 shows the" in flags
    assert ("--repeats: " in flags) == (name == "compare")


@EACH
def test_each_answers_bad_flags(name, refusal):
    assert "Did you mean 'verbosity'" in refusal(name, "--verbosty=1")
    assert "Error: Expected --" in refusal(name)
    said = refusal(name, "--verbosity=1", "more")
    assert "Expected --" in said or "Unexpected argument: 'more'" in said


@EACH
def test_a_binary_of_each_runs_the_same(name, monkeypatch):
    ran = []
    monkeypatch.setattr(kprune_command, "run", ran.append)
    binary = {"tickets": "find_ticket"}.get(name, name)
    runpy.run_path(str(ROOT / "tools" / f"{binary}.py"), run_name="__main__")
    assert ran == [f"kprune.cli.{name}"]


def test_an_error_can_be_shown_where_it_is_raised(command, tmp_path):
    flags = ("--model=none.keras", f"--out={tmp_path / 'out.keras'}")
    with pytest.raises(ValueError, match="There is no such file"):
        command("prune", *flags, "--verbosity=1")


# The config that --config names.


def test_a_config_is_named_or_a_file(tmp_path, monkeypatch):
    names = configs.names()
    assert {"force", "quickstart"} <= set(names)
    expected = configs.load("quickstart:quick")
    assert expected.training.epochs == 1
    assert expected.pruner.check is None  # It is complete.
    shutil.copy(configs.SHIPPED / "quickstart.py", tmp_path / "mine.py")
    monkeypatch.chdir(tmp_path)
    for name in ("mine.py", "./mine.py", tmp_path / "mine.py"):
        assert configs.load(f"{name}:quick") == expected
    monkeypatch.chdir(ROOT)
    assert configs.load("configs/quickstart.py:quick") == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("quikstart", "Did you mean 'quickstart'"),
        ("quikstart:quick", "Did you mean 'quickstart'"),
        ("configs/quikstart.py", "Did you mean 'configs/quickstart.py'"),
        ("elsewhere/quickstart.py", "Did you mean 'quickstart'"),
        ("nothing/like/it", "Expected one of: "),
        ("quickstart:quik", "'quik'"),
        ("kprune/runtime/version.py", "Expected a function `get_config`"),
    ],
)
def test_a_config_that_there_is_not(name, expected, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(ValueError, match=expected):
        configs.load(name)


def test_the_configs_are_installed_with_the_package():
    """`setup.py` names the folder that `kprune.cli.configs` looks in."""
    text = (ROOT / "setup.py").read_text()
    place = os.path.relpath(configs.INSTALLED, ROOT).replace(os.sep, ".")
    assert f'"{place}": "configs"' in text
