"""Runs the tutorials and stores each as a notebook with its outputs.

    python tools/notebooks.py [--rerun] [NAME ...]

`docs/tutorials/NAME.py` is the source, in jupytext's percent format; this
writes `NAME.ipynb` beside it. Without names, it does so for all. A tutorial
runs if its code has changed, or with `--rerun`; otherwise its outputs are kept
and only its text is written. `make notebooks` installs what tutorials need.

A notebook is written only if nothing in it fails or warns, and its outputs
hold no path of this machine. The others are written all the same.
"""

import os
import pathlib
import re
import sys

from absl import app, flags

from kprune.runtime import files

_RERUN = flags.DEFINE_bool("rerun", False, "Whether to run all tutorials.")
ROOT = pathlib.Path(__file__).parents[1]
TUTORIALS = ROOT / "docs" / "tutorials"
# What C++ code of TensorFlow and LiteRT writes, and nothing turns off.
_HARDWARE = re.compile(
    r"WARNING: All log messages before absl|[IWE]\d{4} |INFO: Created"
    r"|fully_quantize|$"
)
_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tools'}",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "MATPLOTLIBRC": str(ROOT / "tools" / "documentation" / "matplotlibrc"),
    # KerasHub imports tqdm, which warns where no widget draws its bars.
    "PYTHONWARNINGS": "ignore:IProgress not found",
}
# Figures are SVGs, without the date that would make equal ones differ.
_FIGURES = [
    "--InlineBackend.figure_formats={'svg'}",
    "--InlineBackend.print_figure_kwargs={'metadata': {'Date': None}}",
]


def sources(names=()):
    """Returns the paths of the tutorials with these names, or of all.

    Raises:
        ValueError: If there is no such tutorial.
    """
    found = {path.stem: path for path in sorted(TUTORIALS.glob("*.py"))}
    for name in names:
        if name not in found:
            raise ValueError(
                f"There is no tutorial {name!r}. There are {', '.join(found)}."
            )
    return [found[name] for name in names or found]


def kept(notebook, stored):
    """Takes over the outputs of a stored notebook with the same code.

    Args:
        notebook: A notebook, as read from a script. It is changed in place.
        stored: The notebook stored before, or `None`.

    Returns:
        Whether their code is the same; otherwise nothing is taken over.
    """
    ours, theirs = (
        [cell for cell in one.cells if cell.cell_type == "code"]
        for one in (notebook, stored or notebook)
    )
    same = [c.source for c in ours] == [c.source for c in theirs]
    if stored is None or not same:
        return False
    for cell, before in zip(ours, theirs, strict=True):
        cell.outputs = before.outputs
        cell.execution_count = before.execution_count
    return True


def execute(notebook):
    """Runs a notebook in an empty directory.

    Args:
        notebook: A notebook. Its outputs are set in place.

    Returns:
        List of strings, the paths that the outputs must not hold.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell fails.
    """
    import nbclient

    os.environ.update(_ENVIRONMENT)
    with files.scratch_directory() as directory:
        nbclient.NotebookClient(
            notebook,
            timeout=600,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            extra_arguments=_FIGURES,
            resources={"metadata": {"path": directory}},
        ).execute()
        return [directory, str(ROOT), str(pathlib.Path.home())]


def clean(notebook, places=()):
    """Removes from a notebook what differs from run to run.

    Args:
        notebook: A notebook. It is changed in place.
        places: Strings, the paths that no output may hold.

    Raises:
        ValueError: If an output is a warning or an error, holds one of
            `places`, or has control characters, as progress bars have.
    """
    kernel = {"name": "python3", "display_name": "Python 3"}
    notebook.metadata = {
        "jupytext": {"formats": "ipynb,py:percent"},
        "kernelspec": {**kernel, "language": "python"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = list(filter(_stored, cell.outputs))
            for output in cell.outputs:
                text = text_of(output)
                held = [place for place in places if place in text]
                if held or re.search(r"[\r\b\x1b]", text):
                    raise ValueError(
                        f"The output of cell {number} holds "
                        f"{held or 'control characters'}:\n{text[:2000]}"
                    )


def text_of(output):
    """Returns all text of an output, an SVG's included."""
    return "".join([output.get("text", ""), *output.get("data", {}).values()])


def _stored(output):
    """Returns whether an output is to be kept; raises for a warning."""
    if output.output_type == "error":
        raise ValueError(f"A cell failed: {output.ename}: {output.evalue}")
    if output.get("name") != "stderr":
        return True
    lines = output.text.splitlines()
    said = [line for line in lines if not _HARDWARE.match(line)]
    if said:
        raise ValueError("A cell warned:\n" + "\n".join(said))
    return False


def write(path, rerun=False):
    """Writes the notebook of a script, run or with the outputs it has.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell fails.
        ValueError: If an output is one that is not to be stored.
    """
    import jupytext
    import nbformat

    notebook, place = jupytext.read(path), path.with_suffix(".ipynb")
    stored = nbformat.read(place, 4) if place.exists() else None
    places = []
    if rerun or not kept(notebook, stored):
        places = execute(notebook)
    clean(notebook, places)
    files.write_text(place, nbformat.writes(notebook, version=4) + "\n")


def main(argv):
    from nbclient.exceptions import CellExecutionError

    failed = []
    for path in sources(argv[1:]):
        try:
            write(path, _RERUN.value)
            print(f"{path.stem}: written", flush=True)
        except (CellExecutionError, ValueError) as error:
            failed.append(path.stem)
            print(f"{path.stem}: {error}", file=sys.stderr, flush=True)
    if failed:
        sys.exit(f"Not written: {', '.join(failed)}.")


if __name__ == "__main__":
    app.run(main)
