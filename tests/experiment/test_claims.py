"""Claims: one process alone has a directory, and the dead have none."""

import json
import os
import subprocess
import sys
import time

import pytest

from kprune.experiment.sweep import claims

# Of the file itself: importing kprune takes seconds.
LOAD = """
import importlib.util, pathlib, sys, time
spec = importlib.util.spec_from_file_location("claims", sys.argv[1])
claims = importlib.util.module_from_spec(spec)
spec.loader.exec_module(claims)
"""


def start(code, directory):
    """Starts a process that has `claims`, and the directory at `argv[2]`."""
    return subprocess.Popen(
        [sys.executable, "-c", LOAD + code, claims.__file__, directory],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def write(directory, number, **changes):
    """Writes a claim as another process would, and returns its path."""
    path = directory / f"claim-{number}"
    found = {"process": 7, "host": "other", "place": "there", **changes}
    path.write_text(json.dumps(found))
    return path


@pytest.fixture(scope="module")
def of_the_dead():
    """What a process of this host that is no more wrote into its claim."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return {"process": process.pid, "place": claims._place()}


def test_one_at_a_time(tmp_path):
    with claims.claim(tmp_path) as mine:
        assert mine
        assert claims.holder(tmp_path).startswith(f"process {os.getpid()} on")
        with claims.claim(tmp_path) as second:
            assert not second
        assert claims.holder(tmp_path) is not None
    assert claims.holder(tmp_path) is None
    with pytest.raises(KeyError), claims.claim(tmp_path):
        raise KeyError  # It gives it free as well.
    assert list(tmp_path.iterdir()) == []


def test_another_host_is_believed_while_it_beats(tmp_path):
    path = write(tmp_path, 1)
    assert claims.holder(tmp_path) == "process 7 on other"
    with claims.claim(tmp_path) as mine:
        assert not mine
    long_ago = time.time() - claims.STALE - 1
    os.utime(path, (long_ago, long_ago))
    with claims.claim(tmp_path) as mine:
        assert mine
        assert (tmp_path / "claim-2").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_dead_process_of_this_host_is_taken_over_at_once(
    tmp_path, of_the_dead
):
    write(tmp_path, 4, **of_the_dead)
    with claims.claim(tmp_path) as mine:
        assert mine
        assert (tmp_path / "claim-5").exists()


def test_a_living_process_of_this_host_is_not(tmp_path):
    write(tmp_path, 1, process=os.getppid(), place=claims._place())
    with claims.claim(tmp_path) as mine:
        assert not mine


def test_a_claim_of_this_moment_counts_though_it_is_empty(tmp_path):
    (tmp_path / "claim-1").touch()
    assert claims.holder(tmp_path) == "another process"


def test_a_late_reader_gives_way(tmp_path, monkeypatch, of_the_dead):
    # It saw claim-3 of a dead process, and nothing of who made claim-1 after
    # all had been cleared.
    write(tmp_path, 3, **of_the_dead)
    seen = claims._files(tmp_path)
    (tmp_path / "claim-3").unlink()
    write(tmp_path, 1)
    real, looks = claims._files, []

    def files(directory):
        looks.append(directory)
        return seen if len(looks) <= 2 else real(directory)

    monkeypatch.setattr(claims, "_files", files)
    with claims.claim(tmp_path) as mine:
        assert not mine
    assert [path.name for path in tmp_path.iterdir()] == ["claim-1"]


def test_it_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT", 0.02)
    with claims.claim(tmp_path):
        os.utime(tmp_path / "claim-1", (0, 0))
        until = time.time() + 5
        while (tmp_path / "claim-1").stat().st_mtime == 0:
            assert time.time() < until
            time.sleep(0.01)


def test_a_process_that_lost_its_claim_ends(tmp_path):
    process = start(
        "claims.BEAT = 0.02\n"
        "with claims.claim(sys.argv[2]):\n"
        "    pathlib.Path(sys.argv[2], 'claim-2').touch()\n"
        "    time.sleep(30)\n"
        "print('went on')\n",
        tmp_path,
    )
    out, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "taken over" in said
    assert out == ""


def test_of_many_at_once_one_at_most_gets_a_stale_claim(tmp_path, of_the_dead):
    write(tmp_path, 1, **of_the_dead)
    several = [
        start(
            "input()\n"
            "with claims.claim(sys.argv[2]) as mine:\n"
            "    print(mine, flush=True)\n"
            "    input()\n",
            tmp_path,
        )
        for _ in range(6)
    ]
    answers = []
    for process in several:  # All try at once.
        process.stdin.write("\n")
        process.stdin.flush()
    for process in several:  # None ends before all have tried.
        answers.append(process.stdout.readline())
    for process in several:
        _, said = process.communicate("\n", timeout=30)
        assert process.returncode == 0, said
    assert sorted(answers) == ["False\n"] * 5 + ["True\n"]
