"""Every code block of the README and the pages runs, or is known to parse."""

import ast
import contextlib
import doctest
import importlib
import os
import re
import shutil
import sys

import keras
import pages
import pytest
from absl import flags as absl_flags

import kprune_command
from kprune.cli import flags as cli_flags
from kprune.runtime.methods import Method
from studies import run as studies

NAMES = pages.pages()
BLOCKS = [block for name in NAMES for block in pages.blocks(name)]
SHELL = [block for block in BLOCKS if block.kind == "shell"]
PYTHON = [
    name
    for name in NAMES
    if any(block.kind == "python" for block in pages.blocks(name))
]
OWN = "docs/how-to/own.md"


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A directory with the configs and the files that own.md shows."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(pages.ROOT / "configs")
    lab, config = (b.text for b in pages.blocks(OWN) if b.kind == "python")
    (tmp_path / "lab.py").write_text(lab)
    (tmp_path / "config.py").write_text(config)
    monkeypatch.syspath_prepend(pages.ROOT / "tools" / "studies")
    if not hasattr(sys.modules.get("benchmark"), "__path__"):
        sys.modules.pop("benchmark", None)  # That of tools, not the study.
    yield tmp_path
    sys.modules.pop("lab", None)


@pytest.mark.parametrize("name", NAMES)
def test_each_block_of_a_page_is_tested(name):
    """A block of another kind is listed in `tests/support/pages.py`."""
    blocks = pages.blocks(name)
    assert [str(block) for block in blocks if block.kind is None] == []
    # A fence that the pattern misses would hide its block.
    assert pages.fences(name) == 2 * len(blocks)


def test_a_block_of_another_kind_is_found_out():
    block = pages.Block("docs/index.md", 1, "yaml", "a: 1")
    assert block.kind is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", PYTHON)
def test_the_python_of_a_page_runs(name, tmp_path, monkeypatch):
    """Block after block in one namespace, as a reader would type them."""
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    scope = {"__name__": "page"}
    exec(pages.SETUPS.get(name, ""), scope)
    for block in pages.blocks(name):
        if block.kind != "python" or block.needs():
            continue
        if block.text.startswith(">>>"):
            found = doctest.DocTestParser().get_doctest(
                block.text, scope, name, name, block.line
            )
            assert doctest.DocTestRunner().run(found).failed == 0
            continue
        code = "\n" * block.line + block.text
        exec(compile(code, str(pages.ROOT / name), "exec"), scope)


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.kind == "python"], ids=str
)
def test_python_is_python(block):
    if not block.text.startswith(">>>"):
        tree = ast.parse(block.text)
        dots = [n for n in ast.walk(tree) if getattr(n, "value", 0) is Ellipsis]
        assert dots == [], "A block with `...` does not run."


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_a_command_is_there_and_knows_its_flags(block, workplace):
    commands = pages.commands(block)
    assert commands, f"{block} has no command."
    for words in commands:
        _check(words, block)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("kprune trian --runs=runs", "kprune trian"),
        ("kprune train --rnus=runs", "flag"),
        ("kprune train --config=quickstrat --runs=runs", "quickstrat"),
        ("make everything", "everything"),
        ('pip install "kprune[all]"', "all"),
        ("python tools/nothing.py", "nothing.py"),
        ("python tools/studies/run.py nothing", "nothing"),
        ("rm -r runs", "rm"),
    ],
)
def test_a_command_that_is_not_there_is_found_out(command, said, workplace):
    block = pages.Block("docs/index.md", 1, "", command)
    ((words),) = pages.commands(block)
    with pytest.raises((AssertionError, SystemExit), match=said):
        _check(words, block)


def test_commands_of_a_block():
    text = (
        "mkdir a && X=1 taskset -c 1 python b.py \\\n    --c=1  # why\n"
        "kprune sweep --d=1\nkprune sweep ... --e=2\n"
        "cat > f <<END\nnot a command\nEND\nexport A=1\n"
    )
    assert pages.commands(pages.Block("", 1, "", text)) == [
        ["mkdir", "a"],
        ["python", "b.py", "--c=1"],
        ["kprune", "sweep", "--d=1"],
        ["kprune", "sweep", "--d=1", "--e=2"],
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_commands_of_own_md_run(workplace, capsys):
    (block,) = (b for b in pages.blocks(OWN) if b.kind == "shell")
    for words in pages.commands(block):
        kprune_command.main(words)
    assert "lab:smallest" in capsys.readouterr().out


def test_each_study_of_a_page_has_a_test_that_runs_it():
    """In a quick form, in `tests/tools`."""
    tests = "".join(
        path.read_text()
        for path in (pages.ROOT / "tests").rglob("test_*.py")
        if path.name != "test_pages.py"
    )
    shown = {
        words[2]
        for block in SHELL
        for words in pages.commands(block)
        if words[:2] == ["python", "tools/studies/run.py"]
    }
    assert [s for s in sorted(shown) if f'"{s}' not in tests] == []


def test_the_excerpts_are_right():
    (entry,) = (
        block
        for block in pages.blocks("docs/contributing/add_a_criterion.md")
        if block.language == "py"
    )
    scope = {"Method": Method}
    exec(entry.text, scope)
    assert scope["METHOD"].name == "relative_gradient"
    (cite,) = (b for b in BLOCKS if b.language == "bibtex")
    cff = (pages.ROOT / "CITATION.cff").read_text()
    version = re.search(r"version = {(.*)}", cite.text)[1]
    assert re.search(rf"^version: \"?{version}\"?$", cff, re.M)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_names_the_command_of_each_picture(name):
    text = (pages.ROOT / name).read_text()
    places = [m.start() for m in re.finditer(r"!\[|srcset=", text)]
    badges = [m.start() for m in re.finditer(r"!\[.*?\]\(https://img", text)]
    if set(places) - set(badges):
        blocks = "".join(block.text for block in pages.blocks(name))
        assert "kprune " in blocks or "tools/" in blocks, name


def _check(words, block):
    """Raises unless a command is there, with its flags and its config."""
    program, *arguments = words
    if program in pages.OTHERS.get(block.page, ()):
        return
    if program == "kprune":
        command = arguments.pop(0)
        assert command in kprune_command.COMMANDS, f"kprune {command}"
        _parse(f"kprune.cli.{command}", arguments)
    elif program == "make":
        makefile = (pages.ROOT / "Makefile").read_text()
        for target in arguments:
            assert re.search(rf"^{target}:", makefile, re.M), target
    elif program == "pip":
        setup = (pages.ROOT / "setup.py").read_text()
        for name in arguments[1:]:
            match = re.fullmatch(r"(?:kprune|\.)?\[?([\w,]*)\]?|-e", name)
            assert match, name
            for extra in filter(None, (match[1] or "").split(",")):
                assert f'"{extra}": [' in setup, extra
    elif program == "python":
        _check_python(arguments, block)
    elif program == "mkdir":
        assert len(arguments) == 1
    else:
        raise AssertionError(f"{block} has an unknown program: {program}")


def _check_python(arguments, block):
    file, *rest = arguments
    if (file == "-m" and block.page in pages.OTHERS) or rest[:1] == ["venv"]:
        return
    if file == "-m":
        assert shutil.which(rest[0]) or importlib.util.find_spec(rest[0])
        return
    assert (pages.ROOT / file).is_file(), file
    if file == "tools/studies/run.py":
        study = rest.pop(0)
        assert study in studies.STUDIES, study
        _parse(f"{study}.run", rest)
    elif file == "tools/benchmark.py":
        _parse("benchmark.run", rest)


def _parse(module, arguments):
    """Parses flags, which loads the config, as the command itself would."""
    command = importlib.import_module(module)
    flags = cli_flags.Flags(arguments)
    command.define(flags)
    with contextlib.suppress(absl_flags.UnparsedFlagAccessError):
        flags.parse()
    assert os.path.exists("config.py")
