"""A run that is killed at random moments ends as if it had not been."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


def kill(directory, kills):
    done = subprocess.run(
        [sys.executable, "tests/support/killing.py", directory, str(kills)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tools'}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "SIGKILL: same to the bit" in done.stdout
    assert "SIGTERM: same to the bit" in done.stdout


def test_one_of_each(tmp_path):
    kill(tmp_path, 1)


@pytest.mark.slow
def test_ten_of_each(tmp_path):
    kill(tmp_path, 10)
