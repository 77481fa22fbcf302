"""Modules import only what stands above them."""

import ast
import pathlib

import kprune

ROOT = pathlib.Path(kprune.__file__).parent
# From the top: a module may import what stands in an earlier row, or in the
# rows of `OPEN` that modules import each other in, its own.
ROWS = [
    {"version", "lookup", "seeds", "notices", "keras_internals", "literature"},
    {
        "layouts",
        "weights",
        "cloning",
        "transparent",
        "wrapper",
        "wrapped_models",
        "masking",
        "masks",
    },
    {
        "batches",
        "channels",
        "costs",
        "derivatives",
        "distribution",
        "flow",
        "initial_values",
        "losses",
        "network",
        "precision",
        "probe",
        "progress",
        "scoring_data",
        "scoring_mode",
        "spool",
    },
    {"objective"},
    {"neurons"},
    {"criteria", "granularity", "allocation", "schedules"},
    {"ranking", "survivors"},
    {"target"},
    {"pruner", "redraw"},
    {"in_turn"},
    {"recipes"},
    {"pruning"},
    {"prune_and_build", "sanity", "testing"},
    {"training"},
    {"soft", "tickets"},
    {"selection"},
    {"dynamic"},
    {"shrink"},
    {"regularization"},
    {"callbacks"},
    {"report", "export"},
    {"analysis", "comparison"},
    {"experiment"},
]
OPEN = (0, 1, 2)
LEAVES = {"models", "datasets"}  # May import `lookup` alone.


def part_of(path):
    """`kprune/criteria/snip.py` is of the part `criteria`."""
    relative = path.relative_to(ROOT)
    return relative.parts[0].removesuffix(".py")


def imports(path):
    """Yields (line, part) of each import of kprune in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, *rest = name.split(".")
            if package == "kprune" and rest:
                yield node.lineno, rest[0]


def allowed(part):
    if part in LEAVES:
        return {"lookup", part}
    (row,) = [i for i, parts in enumerate(ROWS) if part in parts]
    above = set().union(*ROWS[:row], {part})
    if row in OPEN:
        above |= ROWS[row]
    return above | LEAVES if part == "experiment" else above


def broken(path):
    part = part_of(path)
    return [
        f"{path.relative_to(ROOT)}:{line}: {part} imports {other}"
        for line, other in imports(path)
        if other not in allowed(part)
    ]


def test_imports_go_upwards_only():
    files = [p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py"]
    assert len(files) > 20
    assert [line for path in files for line in broken(path)] == []


def test_every_part_has_its_place():
    parts = {part_of(p) for p in ROOT.rglob("*.py")} - {"__init__"}
    assert parts == set().union(*ROWS, LEAVES)


def test_the_check_sees_an_import_downwards(tmp_path, monkeypatch):
    monkeypatch.setattr("test_layering.ROOT", tmp_path)
    (tmp_path / "schedules.py").write_text(
        "import math\n\n\ndef f():\n    from kprune import pruner\n"
    )
    assert broken(tmp_path / "schedules.py") == [
        "schedules.py:5: schedules imports pruner"
    ]


def test_there_is_no_drawer_for_odds_and_ends():
    names = {p.stem for p in ROOT.rglob("*") if p.suffix in {".py", ""}}
    assert not names & {"utils", "util", "common", "helpers", "misc"}
