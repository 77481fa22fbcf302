"""All that kprune writes goes through `kprune.runtime.files`."""

import ast
import pathlib

import pytest

import kprune

ROOT = pathlib.Path(kprune.__file__).parents[1]
# By module, what it may call: why.
ALLOWED = {
    # It damages files.
    "tools/studies/faults/": None,
    # It runs where kprune is not installed yet.
    "tools/test_versions.py": {"done.touch"},
    # `Centroids`, which end in `files` too.
    "tools/studies/asni/run.py": {".save"},
    # A `Comparison`, which ends in `files` too.
    "kprune/cli/compare.py": {"found.save"},
    # A `Sensitivity`, the same.
    "kprune/cli/sensitivity.py": {"found.save"},
    # The layer itself.
    "kprune/runtime/files.py": None,
    # A lock is a file that is held open, and is nobody's content.
    "kprune/runtime/locks.py": {
        "os.open",
        "self.path.unlink",
        "os.ftruncate",
        "os.pwrite",
    },
    # The path that a format's `write` is given is one that `staging` made.
    "kprune/deploy/exporting/": {
        "archive.write_out",
        "model.save",
        "openvino.save_model",
        "path.write_bytes",
    },
    # Before kprune is imported, which takes seconds.
    "tools/kprune_command/__init__.py": {"tempfile.TemporaryFile"},
    # What the kernel counts begins anew by it.
    "tools/studies/benchmark/one_shot.py": {"open"},
    # Beside TFMOT, where kprune is not.
    "tools/studies/tfmot/run.py": {"np.savez_compressed"},
}
# Functions that write, by the module that they are of.
WRITES = {
    "os": "open replace rename renames remove unlink rmdir removedirs mkdir "
    "makedirs truncate ftruncate link symlink mkfifo mknod write pwrite",
    "shutil": "rmtree move copy copy2 copyfile copytree make_archive "
    "unpack_archive",
    "tempfile": "TemporaryFile NamedTemporaryFile SpooledTemporaryFile mkstemp "
    "mkdtemp mktemp TemporaryDirectory",
    "np": "save savez savez_compressed savetxt memmap",
}
# Methods that write, whatever they are of.
METHODS = (
    "write_text write_bytes touch mkdir unlink rmdir symlink_to hardlink_to "
    "tofile savefig imsave save_weights write_out save_model extractall"
)
# What has a `save` of kprune's own, which ends in `files`.
OWN = {"masks", "mask_files", "model_files", "files", "_store"}


def writes(tree):
    """Yields (line, what is called) of each call that writes a file."""
    inside = _within_replaced(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node not in inside:
            called = _called(node.func)
            if _is_writing(node, *called.rpartition(".")[::2]):
                yield node.lineno, called


def _is_writing(call, module, name):
    if name in WRITES.get(module, "").split():
        return True
    if module in ("files", "dataclasses"):
        return False
    if name == "open":
        return not _is_read(call)
    if name == "save":
        return module.rpartition(".")[2] not in OWN
    if name in ("replace", "rename"):
        # A path's takes one argument, a string's two.
        one = len(call.args) == 1 and not call.keywords
        return one and module not in ("", "self")
    return name in METHODS.split()


def _called(node):
    """Returns the dotted name of a function, as far as it is one."""
    if isinstance(node, ast.Attribute):
        return f"{_called(node.value)}.{node.attr}"
    return getattr(node, "id", "")


def _is_read(call):
    """Whether a file is opened to be read."""
    given = [k.value for k in call.keywords if k.arg == "mode"]
    if isinstance(call.func, ast.Attribute):  # Of a path, or of a zip.
        given += [a for a in call.args[:2] if isinstance(a, ast.Constant)]
    else:
        given += call.args[1:2]
    modes = [getattr(mode, "value", "w") for mode in given]
    return not any(set(str(mode)) & set("wax+") for mode in modes)


def _within_replaced(tree):
    """Returns the calls whose path is one that `files` gave for it."""
    found = set()
    for block in ast.walk(tree):
        if not isinstance(block, ast.With):
            continue
        given = {
            item.optional_vars.id
            for item in block.items
            if isinstance(item.context_expr, ast.Call)
            and _called(item.context_expr.func)
            in (
                "files.replaced",
                "files.replaced_directory",
                "files.scratch_directory",
            )
            and isinstance(item.optional_vars, ast.Name)
        }
        for node in ast.walk(block) if given else ():
            if isinstance(node, ast.Call):
                names = {
                    n.id
                    for a in node.args
                    for n in ast.walk(a)
                    if isinstance(n, ast.Name)
                }
                if names & given:
                    found.add(node)
    return found


def found_in(root, folders):
    """Returns where files are written past `files`."""
    found = []
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            keys = [key for key in ALLOWED if name.startswith(key)]
            allowed = ALLOWED[keys[0]] if keys else ()
            found += [
                f"{name}:{line}: {call}"
                for line, call in writes(ast.parse(path.read_text()))
                if allowed is not None and call not in allowed
            ]
    return found


def test_nothing_is_written_past_the_layer():
    assert found_in(ROOT, ["kprune", "tools"]) == []


@pytest.mark.parametrize(
    "code",
    [
        "open(path, 'w')",
        "open(path, mode='ab')",
        "open(path, mode)",
        "path.open('x')",
        "os.open(path, flags)",
        "os.replace(half, path)",
        "half.rename(path)",
        "half.replace(path)",
        "path.write_text('a')",
        "path.parent.mkdir()",
        "shutil.rmtree(path)",
        "tempfile.mkdtemp()",
        "np.savez(path, **arrays)",
        "model.save(path)",
        "self.net.save_weights(path)",
        "figure.savefig(path)",
        "with files.replaced(path) as half:\n    model.save(path)",
    ],
)
def test_what_goes_past_it_is_seen(code):
    assert len(list(writes(ast.parse(code)))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "open(path)",
        "open(path, 'rb')",
        "path.open()",
        "name.replace('a', 'b')",
        "dataclasses.replace(one)",
        "files.write_text(path, 'a')",
        "masks.save(found, path)",
        "with files.replaced(path) as half:\n    model.save(half)",
        "with files.replaced(path) as half:\n    file = open(half, 'xb')",
    ],
)
def test_what_reads_or_goes_through_it_is_not(code):
    assert list(writes(ast.parse(code))) == []
