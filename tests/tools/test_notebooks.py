"""The tutorials: script and notebook in step, and what they say is so."""

import copy
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

import notebooks

ROOT = pathlib.Path(__file__).parents[2]
SCRIPTS = notebooks.sources()
each = pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
# What a tutorial imports or calls, beyond what kprune installs.
NEEDS = ("matplotlib", "ai_edge_litert", "keras_hub", "pandas", "IPython")


def cells_of_script(text):
    """Returns pairs (type, source) of a script in the percent format."""
    found = []
    for line in text.splitlines():
        if line.startswith("# %%"):
            markdown = line == "# %% [markdown]"
            found.append(("markdown" if markdown else "code", []))
        elif found[-1][0] == "markdown":
            found[-1][1].append(re.sub("^# ?", "", line))
        else:  # A comment that holds a magic is written as a comment twice.
            found[-1][1].append(re.sub("^# (?=# %)", "", line))
    return [(kind, "\n".join(lines).strip("\n")) for kind, lines in found]


def read(path):
    return json.loads(path.with_suffix(".ipynb").read_text())


def source(cell):
    return "".join(cell["source"])


def outputs(notebook):
    """Returns each output of a notebook, with its text joined."""
    return [
        (output, notebooks.text_of(joined(output)))
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
    ]


def joined(output):
    """Returns an output as nbformat reads it: lines are one string."""
    output = copy.deepcopy(output)
    for part in (output, output.get("data", {})):
        for key, value in part.items():
            part[key] = "".join(value) if isinstance(value, list) else value
    return output


def test_each_tutorial_has_a_notebook_and_is_listed():
    folder = notebooks.TUTORIALS
    stems = {path.stem for path in folder.glob("*.ipynb")}
    assert stems == {path.stem for path in SCRIPTS}
    listed = re.findall(r"\((\w+)\.ipynb\)", (folder / "index.md").read_text())
    assert sorted(listed) == sorted(stems)
    nav = (ROOT / "mkdocs.yml").read_text()
    assert [one for one in stems if f"tutorials/{one}.md" not in nav] == []


@each
def test_the_notebook_is_that_of_the_script(path):
    notebook = read(path)
    cells = [(c["cell_type"], source(c)) for c in notebook["cells"]]
    assert cells == cells_of_script(path.read_text())
    formats = notebook["metadata"]["jupytext"]["formats"]
    assert formats == "ipynb,py:percent"


@each
def test_outputs_are_stored_and_clean(path):
    notebook = read(path)
    code = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    counts = [cell["execution_count"] for cell in code]
    assert counts == list(range(1, len(code) + 1))
    found = outputs(notebook)
    kinds = {output["output_type"] for output, _ in found}
    shown = {"execute_result", "display_data"}
    assert "stream" in kinds and kinds <= {"stream", *shown}
    assert {o.get("name", "stdout") for o, _ in found} == {"stdout"}
    for _, text in found:
        assert not re.search(r"[\r\b\x1b]|Warning|Traceback", text)
        assert not re.search(r"(^|[\s\"'=])/(home|root|tmp|work|usr)\b", text)
    figures = [t for o, t in found if "image/svg+xml" in o.get("data", {})]
    assert figures
    for svg in figures:
        # Without a date, and with the ink that dark pages replace.
        assert "<dc:date>" not in svg and "#222222" in svg


@each
def test_the_first_cells_are_a_title_and_the_install(path):
    (kind, title), (_, install), *_ = cells_of_script(path.read_text())
    assert kind == "markdown" and title.startswith("# ")
    assert re.search(r'^# %pip install "kprune\[[a-z,]+\]"$', install, re.M)
    assert all(line.startswith("#") for line in install.splitlines())


@each
def test_numbers_of_the_prose_are_those_of_the_notebook(path):
    """A number with a decimal, or a percentage, is printed or in the code."""
    notebook = read(path)
    shown = [source(c) for c in notebook["cells"] if c["cell_type"] == "code"]
    shown += [t for o, t in outputs(notebook) if "data" not in o]
    known = set(re.findall(r"\d+(?:\.\d+)?", "\n".join(shown)))
    known |= {f"{100 * float(n):g}" for n in known if n.startswith("0.")}
    unknown = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            prose = re.sub(r"\]\([^)]*\)", "]", source(cell))
            numbers = re.findall(r"\d+\.\d+|\d+(?= %)", prose)
            unknown += [number for number in numbers if number not in known]
    assert unknown == []


@each
def test_links_of_a_tutorial_lead_to_files(path):
    text = "\n".join(
        text
        for kind, text in cells_of_script(path.read_text())
        if kind == "markdown"
    )
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target = link.partition("#")[0]
        if not link.startswith("https://"):
            assert (path.parent / target).exists(), link


@pytest.mark.slow
@each
def test_a_tutorial_runs_as_written(path, tmp_path):
    text = path.read_text()
    missing = [
        name
        for name in NEEDS
        if name in text
        if importlib.util.find_spec(name) is None
    ]
    if missing:
        pytest.skip(f"{', '.join(missing)}: make notebooks installs it.")
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tools'}",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-4000:]


# The tool that writes them.


class Node(dict):
    """A part of a notebook, as nbformat reads it."""

    __setattr__ = dict.__setitem__

    def __getattr__(self, name):
        if name in self:
            return self[name]
        raise AttributeError(name)


def notebook_of(*outputs, code="1 + 1"):
    text = Node(cell_type="markdown", source="# A title")
    cell = Node(cell_type="code", source=code, outputs=list(outputs))
    cell.execution_count = 1
    return Node(cells=[text, cell], metadata=Node(widgets={}))


def stream(text, name="stdout"):
    return Node(output_type="stream", name=name, text=text)


def test_what_differs_from_run_to_run_is_removed():
    hardware = "I0000 00:00:17 1 cudart_stub.cc:31] Could not find cuda.\n"
    notebook = notebook_of(stream("2\n"), stream(hardware, "stderr"))
    notebook.cells[1].metadata = {"execution": {"iopub": "2026-01-01"}}
    notebooks.clean(notebook, ["/somewhere"])
    assert set(notebook.metadata) == {
        "jupytext",
        "kernelspec",
        "language_info",
    }
    assert [cell.id for cell in notebook.cells] == ["cell-0", "cell-1"]
    assert notebook.cells[1].metadata == {}
    assert notebook.cells[1].outputs == [stream("2\n")]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (stream("UserWarning: beware\n", "stderr"), "warned:\nUserWarning"),
        (stream("written to /somewhere/x\n"), "/somewhere"),
        (stream("1/4\r2/4"), "control characters"),
        (
            Node(output_type="error", ename="KeyError", evalue="'a'"),
            "KeyError: 'a'",
        ),
        (
            Node(
                output_type="execute_result",
                data={"image/svg+xml": "/somewhere"},
            ),
            "/somewhere",
        ),
    ],
)
def test_what_is_not_to_be_stored_is_refused(output, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        notebooks.clean(notebook_of(output), ["/somewhere"])


def test_outputs_are_kept_while_the_code_is_the_same():
    stored = notebook_of(stream("2\n"))
    stored.cells[1].execution_count = 7
    again = notebook_of()
    again.cells[0].source = "# Another title"
    assert notebooks.kept(again, stored)
    assert again.cells[1].outputs == [stream("2\n")]
    assert again.cells[1].execution_count == 7
    assert again.cells[0].source == "# Another title"
    changed = notebook_of(code="1 + 2")
    assert not notebooks.kept(changed, stored)
    assert not notebooks.kept(changed, None)
    assert changed.cells[1].outputs == []


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="no tutorial 'rigel'"):
        notebooks.sources(["rigel"])


# Their pages.


def test_a_page_of_a_notebook():
    pytest.importorskip("mkdocs", reason="the extra docs")
    path = ROOT / "tools/documentation/tutorials.py"
    spec = importlib.util.spec_from_file_location("tutorial_pages", path)
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    svg = '<svg><path style="fill: #ffffff"/><text fill="#222222"/></svg>'
    data = {"image/svg+xml": [svg], "text/plain": ["<Picture>"]}
    drawn = {"output_type": "execute_result", "data": data}
    notebook = notebook_of(stream(["2\n", "3\n"]), drawn, code=["1 +\n", "1"])
    notebook.cells[0].source = ["# A title\n", "[next](other.ipynb)"]
    text, figures = hook.page("one", notebook)
    head, downloads, *rest = text.split("\n\n")
    assert head == "# A title\n[next](other.ipynb)"
    assert hook.redirected(head) == "# A title\n[next](other.md)"
    assert 'href="../one.ipynb"' in downloads and "../one.py" in downloads
    code, printed, picture = rest
    assert code == "```python\n1 +\n1\n```"
    assert printed == "``` { .text .output }\n2\n3\n```"
    assert picture == "![Figure: A title](one_1.svg)"
    assert figures == {"one_1.svg": svg}
    elsewhere = "[a](https://example.org/x.ipynb)"
    assert hook.redirected(elsewhere) == elsewhere
