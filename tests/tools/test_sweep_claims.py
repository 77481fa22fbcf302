"""Claims: one process alone has a directory, and the dead have none."""

import json
import multiprocessing
import os
import pathlib
import subprocess
import sys
import time

import pytest

TOOLS = pathlib.Path(__file__).parents[2] / "tools"


@pytest.fixture
def claims(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    from sweeping import claims

    return claims


def write(directory, number, **changes):
    """Writes a claim as another process would, and returns its path."""
    path = directory / f"claim-{number}"
    found = {"process": 7, "host": "other", "place": "there", **changes}
    path.write_text(json.dumps(found))
    return path


def dead_process():
    """Returns the number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_one_at_a_time(claims, tmp_path):
    with claims.claim(tmp_path) as mine:
        assert mine
        assert claims.holder(tmp_path).startswith(f"process {os.getpid()} on")
        with claims.claim(tmp_path) as second:
            assert not second
        assert claims.holder(tmp_path) is not None
    assert claims.holder(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_an_error_gives_it_free(claims, tmp_path):
    with pytest.raises(KeyError), claims.claim(tmp_path):
        raise KeyError
    assert claims.holder(tmp_path) is None


def test_another_host_is_believed_while_it_beats(claims, tmp_path):
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


def test_a_dead_process_of_this_host_is_taken_over_at_once(claims, tmp_path):
    write(tmp_path, 4, process=dead_process(), place=claims._place())
    with claims.claim(tmp_path) as mine:
        assert mine
        assert (tmp_path / "claim-5").exists()


def test_a_living_process_of_this_host_is_not(claims, tmp_path):
    write(tmp_path, 1, process=os.getppid(), place=claims._place())
    with claims.claim(tmp_path) as mine:
        assert not mine


def test_a_claim_of_this_moment_counts_though_it_is_empty(claims, tmp_path):
    (tmp_path / "claim-1").touch()
    assert claims.holder(tmp_path) == "another process"


def test_a_late_reader_gives_way(claims, tmp_path, monkeypatch):
    # It saw claim-3 of a dead process, and nothing of who made claim-1 after
    # all had been cleared.
    write(tmp_path, 3, process=dead_process(), place=claims._place())
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


def test_it_beats(claims, tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT", 0.02)
    with claims.claim(tmp_path):
        os.utime(tmp_path / "claim-1", (0, 0))
        until = time.time() + 5
        while (tmp_path / "claim-1").stat().st_mtime == 0:
            assert time.time() < until
            time.sleep(0.01)


def test_a_process_that_lost_its_claim_ends(tmp_path):
    code = (
        "import sys, time, pathlib; sys.path.insert(0, sys.argv[1])\n"
        "from sweeping import claims; claims.BEAT = 0.02\n"
        "with claims.claim(sys.argv[2]):\n"
        "    pathlib.Path(sys.argv[2], 'claim-2').touch()\n"
        "    time.sleep(30)\n"
        "print('went on')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(TOOLS), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 1
    assert "taken over" in done.stderr
    assert done.stdout == ""


def contend(tools, directory, barrier, wins):
    sys.path.insert(0, tools)
    from sweeping import claims

    barrier.wait()
    with claims.claim(directory) as mine:
        barrier.wait()  # All have tried.
        if mine:
            wins.put(os.getpid())
        barrier.wait()


def test_of_many_at_once_one_at_most_gets_a_stale_claim(claims, tmp_path):
    write(tmp_path, 1, process=dead_process(), place=claims._place())
    context = multiprocessing.get_context("spawn")
    barrier, wins = context.Barrier(6), context.Queue()
    several = [
        context.Process(
            target=contend, args=(str(TOOLS), tmp_path, barrier, wins)
        )
        for _ in range(6)
    ]
    for process in several:
        process.start()
    for process in several:
        process.join(30)
    assert [process.exitcode for process in several] == [0] * 6
    time.sleep(0.05)
    assert wins.qsize() == 1
