"""`SECURITY.md` keeps its word: a test for each of its sentences."""

import ast
import os
import pathlib
import re
import subprocess
import sys
import tracemalloc

import keras
import numpy as np
import pytest
from networks import sequential

import kprune
from kprune.cli import configs, labelled_data
from kprune.experiment.sweep import pool, resources
from kprune.masking import masks
from kprune.runtime import digests, saved_models
from kprune.tickets.rewinding import Point
from kprune.tickets.store import Level, Store
from kprune.training import CheckpointFiles
from studies.faults import hostile_archives

ROOT = pathlib.Path(__file__).parents[1]
MASKS = {"a/kernel": np.arange(6).reshape(2, 3) % 2 == 0}
TEXT = (ROOT / "SECURITY.md").read_text()


def masks_file(folder):
    masks.save(MASKS, folder / "masks.npz")
    return folder / "masks.npz", lambda: masks.load(folder / "masks.npz")


def centroids_file(folder):
    path = folder / "centroids.npz"
    one = kprune.kept_weights.Centroids({"a/kernel": (1.0, -1.0)}, MASKS, MASKS)
    one.save(path)
    return path, lambda: kprune.kept_weights.Centroids.load(path)


def tickets_file(folder):
    """The arrays that a level of a search keeps."""
    values = {"a/kernel": np.ones((2, 3), "f4")}
    start = Point(0, values, digests.of_arrays(values))
    store = Store(folder, {})
    level = Level(start, MASKS, {}, {"chosen": np.arange(3)})
    store.save(0, {"start": start}, level, 0.5)
    path = folder / "level-00" / "arrays.npz"
    return path, lambda: store.load(0, {"start": start})


def checkpoint_file(folder):
    files = CheckpointFiles(folder)
    files.save(1, {"model": [np.ones(3)]})
    return files.path(1), files.latest


def tasks_file(folder):
    model = sequential((4,), keras.layers.Dense(3, name="a"))
    stack = kprune.learned.SupermaskStack(model)
    stack._states["task"] = stack._get()
    stack.save(folder)
    return folder / "tasks.npz", lambda: type(stack).load(folder)


def labelled_file(folder):
    path = folder / "data.npz"
    np.savez(path, x=np.ones((3, 2)), y=np.arange(3))
    return path, lambda: labelled_data.read(path)


def packed_file(folder):
    model = sequential((4,), keras.layers.Dense(3, name="a"))
    kprune.export(model, folder / "m.kpz")
    return folder / "m.kpz", lambda: kprune.load_packed(folder / "m.kpz")


DATA = {
    "masks": masks_file,
    "centroids": centroids_file,
    "tickets": tickets_file,
    "checkpoints": checkpoint_file,
    "tasks": tasks_file,
    "inputs": labelled_file,
    "packed": packed_file,
}


@pytest.fixture(params=DATA)
def file(request, tmp_path):
    """The path of a good file, and a function that reads it."""
    path, read = DATA[request.param](tmp_path)
    read()
    return path, read


def refused(file, data):
    """Checks that bytes are refused in one sentence that names the file."""
    path, read = file
    path.write_bytes(data)
    with pytest.raises(ValueError) as error:
        read()
    assert path.name in str(error.value) and "\n" not in str(error.value)


def first(path):
    """Returns the name and bytes of the first array of a file, and the rest."""
    (name, data), *others = hostile_archives.members(path.read_bytes())
    return name, data, others


def test_each_kind_of_file_that_is_data_is_tested():
    kinds = re.findall(r"(?m)^\| (\w+).* \| data \|$", TEXT)
    assert kinds == list(DATA)


def test_nothing_in_a_file_is_run(file):
    name, _, others = first(file[0])
    pickled = hostile_archives.PICKLED.getvalue()
    refused(file, hostile_archives.archive([(name, pickled), *others]))


def test_reading_a_file_writes_nothing(file, tmp_path):
    path, _ = file
    before = set(tmp_path.parent.rglob("*"))
    name, data, others = first(path)
    for prefix in ("../", "/", "a/../../"):
        pairs = [(f"{prefix}{name}", data), *others]
        refused(file, hostile_archives.archive(pairs))
    assert set(tmp_path.parent.rglob("*")) == before


def test_a_claim_takes_no_memory(file):
    name, *_ = first(file[0])
    tracemalloc.start()
    refused(file, hostile_archives.claim(name, 2**33))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22


def test_the_limit_is_256_mib_or_64_times_the_file(tmp_path):
    assert "256 MiB or 64 times the file" in TEXT
    path = tmp_path / "masks.npz"
    masks.save({"a/kernel": np.ones(2**28 + 1, bool)}, path)
    with pytest.raises(ValueError, match="bytes of arrays"):
        masks.load(path)
    assert masks.load(path, max_bytes=2**29)["a/kernel"].all()


def test_a_flipped_bit_of_an_array_is_noticed(file):
    path, _ = file
    name, array, others = first(path)
    data = bytearray(hostile_archives.archive([(name, array), *others], 0))
    data[data.index(array) + len(array) - 1] ^= 1
    refused(file, bytes(data))


def test_the_checkpoint_before_counts(tmp_path):
    files = CheckpointFiles(tmp_path)
    for step in (1, 2):
        files.save(step, {"model": [np.ones(3)]})
    files.path(2).write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="Going on from step 1"):
        assert files.latest()[0] == 1


def test_a_config_is_run(tmp_path):
    path = tmp_path / "config.py"
    path.write_text("raise RuntimeError('It is a program.')")
    with pytest.raises(RuntimeError, match="a program"):
        configs.load(str(path))


def test_a_model_with_code_of_its_own_is_refused(tmp_path):
    layers = [keras.layers.Lambda(lambda x: 2 * x), keras.layers.Dense(3)]
    sequential((4,), *layers).save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=r"Keras cannot load .*\.keras"):
        saved_models.load(tmp_path / "model.keras")


@pytest.fixture(scope="module")
def calls():
    """Each call in kprune: its file, the name that is called, and the node."""
    return [
        (str(path.relative_to(ROOT / "kprune")), ast.unparse(node.func), node)
        for path in sorted((ROOT / "kprune").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    ]


def test_keras_models_are_loaded_at_one_place_in_safe_mode(calls):
    ((where, node),) = [
        (where, node)
        for where, name, node in calls
        if name.rpartition(".")[2] == "load_model"
    ]
    assert where == "runtime/saved_models.py"
    flags = {k.arg: ast.unparse(k.value) for k in node.keywords}
    assert flags["safe_mode"] == "True"
    names = {name.rpartition(".")[2] for _, name, _ in calls}
    assert "enable_unsafe_deserialization" not in names


def test_programs_are_run_where_it_is_said(calls):
    risky = {
        "exec",
        "eval",
        "np.load",
        "pickle.load",
        "pickle.loads",
        "spec.loader.exec_module",
        "tf.saved_model.load",
    }
    found = {(where, name) for where, name, _ in calls if name in risky}
    assert found == {
        ("cli/configs.py", "spec.loader.exec_module"),
        ("deploy/runtimes/saved_model.py", "tf.saved_model.load"),
        ("runtime/disk_list.py", "pickle.load"),  # Of its own temporary file.
    }


def test_a_process_of_a_sweep_imports_nothing_from_here(tmp_path):
    (tmp_path / "lab.py").write_text("open('imported', 'w')")
    for command, code in ((pool.WORKER[:2], 1), ([sys.executable], 0)):
        # An empty entry of PYTHONPATH means the current directory.
        found = subprocess.run(
            [*command, "-c", "import lab"],
            cwd=tmp_path,
            env={**os.environ, **resources.search_path()},
            capture_output=True,
        )
        assert found.returncode == code
        assert (tmp_path / "imported").exists() == (code == 0)
