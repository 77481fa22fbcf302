"""A run that is killed at random moments ends as if it had not been."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_the_end_is_the_same_to_the_bit(kills, tmp_path):
    done = subprocess.run(
        [sys.executable, "tests/support/killing.py", tmp_path, str(kills)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tools'}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    *killed, last = done.stdout.splitlines()
    signals = ["SIGKILL", "SIGTERM"] * kills
    assert [line.split()[0] for line in killed] == signals[:kills]
    assert last == "same to the bit"
