"""The rules of the layout: what may import what, and what may be called how."""

import ast
import importlib
import pathlib
import pkgutil

import pytest

import kprune

ROOT = pathlib.Path(kprune.__file__).parent
# A package may import those in the rows above its own.
ROWS = [
    {"runtime"},
    {"masking", "models", "datasets"},
    {"scoring", "graph", "training"},
    {"pruning", "deploy"},
    {"callbacks", "learned", "tickets", "analysis"},
    {"experiment"},
    {"cli"},
]
LEAVES = {"models", "datasets"}  # For `experiment` and above alone.
KERAS = ("keras.src", "tensorflow.python")


def source(root):
    """Yields (path, syntax tree) of each module below a root, but its own."""
    for path in sorted(root.rglob("*.py")):
        if path != root / "__init__.py":
            yield path.relative_to(root), ast.parse(path.read_text())


def imports(tree):
    """Yields (line, dotted name) of each import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            dots = "." * node.level
            for alias in node.names:
                yield node.lineno, f"{dots}{node.module}.{alias.name}"


def allowed(package):
    (row,) = [i for i, packages in enumerate(ROWS) if package in packages]
    above = set().union(*ROWS[:row])
    return {package} | (above if row >= 5 else above - LEAVES)


def wrong_imports(root):
    """Returns the imports that run against the direction."""
    found = []
    for path, tree in source(root):
        for line, name in imports(tree):
            first, *rest = name.split(".")
            at = f"{path}:{line}: imports {name}"
            if not first:
                found.append(f"{at}, a relative import")
            elif first == "kprune" and (
                not rest or rest[0] not in allowed(path.parts[0])
            ):
                found.append(at)
    return found


def private_names(root):
    """Returns where code touches underscored names that are not kprune's."""
    trees = dict(source(root))
    own = set()
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                own.add(node.name)
            elif isinstance(node, ast.Name | ast.Attribute):
                if isinstance(node.ctx, ast.Store):
                    own.add(getattr(node, "id", None) or node.attr)
            elif isinstance(node, ast.Constant):
                own.add(node.value)
    found = []
    for path, tree in trees.items():
        if "keras_internals" in path.parts:
            continue
        found += [
            f"{path}:{line}: {name}"
            for line, name in imports(tree)
            if name.startswith(KERAS)
        ]
        for node in ast.walk(tree):
            if not isinstance(node, ast.Attribute):
                continue
            private = node.attr.startswith("_") and node.attr[:2] != "__"
            python = getattr(node.value, "id", None) in ("os", "sys")
            if private and not python and node.attr not in own:
                found.append(f"{path}:{node.lineno}: {node.attr}")
    return found


def hidden(package):
    """Returns public names that stand in the way of a package or module.

    A module may share its name with the function that it is there for: then
    nothing else is looked for in it.
    """
    found = []
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(info.name)
        there = getattr(package, info.name.rpartition(".")[2])
        own = getattr(there, "__module__", None) == info.name
        if there is not module and (info.ispkg or not own):
            found.append(info.name)
        if info.ispkg:
            found += hidden(module)
    return found


def test_imports_run_in_one_direction():
    assert wrong_imports(ROOT) == []


def test_the_root_holds_the_packages_alone():
    there = {p.name for p in ROOT.iterdir()} - {"__pycache__", "py.typed"}
    assert there == set().union(*ROWS, {"__init__.py"})


def test_packages_say_what_lives_there():
    for package in set().union(*ROWS):
        tree = ast.parse((ROOT / package / "__init__.py").read_text())
        assert ast.get_docstring(tree), package


def test_no_public_name_hides_a_package():
    assert hidden(kprune) == []
    for name in kprune.__all__:
        assert not (ROOT / name).exists() or name in set().union(*ROWS)


def test_private_names_of_keras_stay_in_one_place():
    assert private_names(ROOT) == []


def test_there_is_no_drawer_for_odds_and_ends():
    names = {p.stem for p in ROOT.rglob("*") if p.suffix in {".py", ""}}
    assert not names & {"utils", "util", "common", "helpers", "misc"}


@pytest.mark.parametrize(
    ("path", "code", "found"),
    [
        ("masking/a.py", "def f():\n    from kprune import pruning\n", 2),
        ("scoring/a.py", "import kprune.training\n", 1),  # The same row.
        ("pruning/a.py", "from kprune.models import vgg\n", 1),
        ("models/a.py", "from kprune.masking import masks\n", 1),
        ("graph/a.py", "from . import calls\n", 1),
        ("cli/a.py", "import kprune\n", 1),
    ],
)
def test_a_breach_of_direction_is_seen(path, code, found, tmp_path):
    (tmp_path / path).parent.mkdir()
    (tmp_path / path).write_text(code)
    (line,) = wrong_imports(tmp_path)
    assert line.startswith(f"{path}:{found}: imports ")


def test_a_private_name_is_seen(tmp_path):
    code = (
        "from keras.src import tree\n\nx = layer._inbound_nodes\nx._own = 1\n"
    )
    (tmp_path / "graph.py").write_text(code)
    assert private_names(tmp_path) == [
        "graph.py:1: keras.src.tree",
        "graph.py:3: _inbound_nodes",
    ]


def test_a_hidden_package_is_seen(tmp_path, monkeypatch):
    (tmp_path / "house" / "shrink").mkdir(parents=True)
    (tmp_path / "house" / "shrink" / "__init__.py").write_text("")
    (tmp_path / "house" / "plan.py").write_text("def plan():\n    pass\n")
    (tmp_path / "house" / "told.py").write_text("")
    (tmp_path / "house" / "__init__.py").write_text(
        "from house import shrink as _, told as _\n"
        "from house.plan import plan\n"
        "def shrink():\n    pass\ntold = plan\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert hidden(importlib.import_module("house")) == [
        "house.shrink",
        "house.told",
    ]


def test_modules_are_short():
    """A newcomer reads a module in one go."""
    root = ROOT.parent
    paths = [
        path
        for folder in ("kprune", "tools", "configs")
        for path in (root / folder).rglob("*.py")
    ]
    lines = {p: len(p.read_text().splitlines()) for p in paths}
    assert len(lines) > 100
    assert {str(p): n for p, n in lines.items() if n > 320} == {}
