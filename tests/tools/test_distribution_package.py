"""What is handed to a package index, and what is in the wheel."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import venv
import zipfile

import pytest
import setuptools

import kprune

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def metadata(monkeypatch):
    """Returns what `setup.py` tells setuptools, a dict."""
    told = {}
    monkeypatch.setattr(
        setuptools, "setup", lambda **kwargs: told.update(kwargs)
    )
    monkeypatch.chdir(ROOT)
    spec = importlib.util.spec_from_file_location("setup_py", ROOT / "setup.py")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return told


def test_the_description_has_no_link_that_leads_nowhere(metadata):
    text = metadata["long_description"]
    links = re.findall(r"\]\(([^)]+)\)|(?:src|srcset)=\"([^\"]+)\"", text)
    assert links, "Links to other sites stay."
    assert [
        a or b for a, b in links if not (a or b).startswith("https://")
    ] == []
    assert "which method for what" in text.lower()  # The text of one of them.


def test_version_and_authors_are_one_everywhere(metadata):
    citation = (ROOT / "CITATION.cff").read_text()
    assert metadata["version"] == kprune.__version__
    assert f"\nversion: {kprune.__version__}\n" in citation
    assert f"- name: {metadata['author']}\n" in citation
    assert f"## {kprune.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()
    assert (
        f"version = {{{kprune.__version__}}}"
        in (ROOT / "README.md").read_text()
    )


@pytest.mark.slow
def test_the_wheel_runs_in_an_environment_of_its_own(tmp_path):
    """Needs the package registry: `build` makes an environment."""
    pytest.importorskip("build", reason="the extra package")
    pytest.importorskip("twine", reason="the extra package")
    run(sys.executable, "-m", "build", ROOT, "--outdir", tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    (source,) = tmp_path.glob("*.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, source)
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.glob("kprune/**/*.py")
    }
    expected |= {"kprune/datasets/digits.npz", "kprune/datasets/DIGITS.md"}
    expected |= {"kprune/experiment/configs/quickstart.py"}
    assert expected - names == set()
    other = {name.partition("/")[0] for name in names} - {"kprune"}
    assert {re.sub("-.*", "", name) for name in other} == {
        "kprune",
        "kprune_command",
    }

    home = tmp_path / "environment"
    venv.create(home, with_pip=False)
    # Beside the packages that are here already, apart from kprune.
    site = home / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    zipfile.ZipFile(wheel).extractall(site)
    lines = [p for p in sys.path if p.endswith("site-packages")]
    (site / "beside.pth").write_text("\n".join(lines))
    code = (
        "import kprune, pathlib; print(kprune.__file__);"
        "train, test = kprune.datasets.load('digits', batch_size=32);"
        "import kprune_command; kprune_command.main()"
    )
    work = tmp_path / "runs"
    told = run(
        home / "bin/python",
        "-c",
        code,
        "train",
        "--config=quickstart:quick",
        f"--workdir={work}",
        cwd=tmp_path,
    )
    assert str(site) in told
    assert (work / "masks.npz").exists()


def run(*command, cwd=None):
    """Runs a command without kprune on its path; returns what it prints."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout
