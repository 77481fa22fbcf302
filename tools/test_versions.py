"""Runs the tests with the oldest and newest supported versions.

    make test-versions
    python tools/test_versions.py --only=oldest -- tests/masking

Each row has its own environment below `--environments`, which is created once.
The oldest versions are the lower bounds in `setup.py`. Arguments after `--` are
passed to pytest. The exit code is 1 if a test of a row fails. Rows whose Python
is not on this machine are reported and skipped.
"""

import dataclasses
import pathlib
import re
import shutil
import subprocess
import sys
import time

from absl import app, flags

_ROOT = pathlib.Path(__file__).parents[1]
_BOUND = re.compile(r'"(\w+)>=([\d.]+)"')
_EXTRAS = "test,plots,tensorboard"

ENVIRONMENTS = flags.DEFINE_string(
    "environments", str(_ROOT / ".venv" / "versions"), "Directory of them all."
)
ONLY = flags.DEFINE_list("only", None, "Names of rows. Defaults to all.")


@dataclasses.dataclass(frozen=True)
class Row:
    """Versions to test together, with `pins` as pip takes them."""

    name: str
    python: str
    pins: tuple = ()


def rows():
    """Returns the rows of supported versions, the oldest first."""
    text = (_ROOT / "setup.py").read_text()
    required = text[text.index("install_requires=") :].partition("]")[0]
    pins = [f"{name}=={v}.0" for name, v in _BOUND.findall(required)]
    oldest = re.search(r'python_requires=">=([\d.]+)"', text)[1]
    newest = [Row(f"newest-{x}", x) for x in ("3.11", "3.12", "3.13")]
    return [Row("oldest", oldest, tuple(pins)), *newest]


def interpreter(version):
    """Returns the path of a Python interpreter of a version, or `None`."""
    if version == ".".join(map(str, sys.version_info[:2])):
        return sys.executable
    return shutil.which(f"python{version}")


def prepared(row, directory):
    """Returns the Python of a row's environment; creates it if missing."""
    place = pathlib.Path(directory, row.name)
    python, done = place / "bin" / "python", place / ".installed"
    if not done.exists():
        command = [interpreter(row.python), "-m", "venv", "--clear", place]
        subprocess.run(command, check=True)
        install = [python, "-m", "pip", "install", "--quiet"]
        named = f"{_ROOT}[{_EXTRAS}]"
        subprocess.run([*install, "-e", named, *row.pins], check=True)
        done.touch()
    return python


def versions(python):
    """Returns a text of the versions installed in an environment."""
    code = (
        "import importlib.metadata as m, platform; print('Python ' + "
        "platform.python_version(), *[f'{n} {m.version(n)}' for n in "
        "('tensorflow', 'keras', 'numpy')], sep=', ')"
    )
    found = subprocess.run(
        [python, "-c", code], check=True, capture_output=True, text=True
    )
    return found.stdout.strip()


def tested(python, arguments):
    """Runs the tests; returns whether all passed and pytest's last line."""
    command = [python, "-m", "pytest", "-p", "no:cacheprovider"]
    command += ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    command += ["-m", "not slow"]
    process = subprocess.Popen(
        [*command, *arguments], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    )
    last = ""
    for line in process.stdout:
        print(line, end="", flush=True)
        last = line.strip() or last
    return process.wait() == 0, last


def run(names, environments, arguments=()):
    """Tests the named rows; returns whether all passed and a line for each."""
    known = {row.name: row for row in rows()}
    lines, passed = [], True
    for row in map(known.__getitem__, names):
        if interpreter(row.python) is None:
            lines.append(f"{row.name}: not run, no python{row.python} is here")
            continue
        begun = time.monotonic()
        python = prepared(row, environments)
        good, last = tested(python, arguments)
        minutes = (time.monotonic() - begun) / 60
        found = f"{versions(python)}: {last} ({minutes:.0f} min)"
        lines.append(f"{row.name}: {found}")
        passed = passed and good
    return passed, lines


def main(argv):
    known = [row.name for row in rows()]
    names = ONLY.value or known
    if not set(names) <= set(known):
        raise app.UsageError(f"Expected names of {', '.join(known)}.")
    passed, lines = run(names, ENVIRONMENTS.value, argv[1:])
    print("\n".join(["", *lines]))
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    app.run(main)
