"""Locks: one process alone works in a directory, and the dead in none."""

import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
import time

import pytest

from kprune.runtime import locks

# Of the file itself: importing kprune takes seconds.
LOAD = """
import importlib.util, os, pathlib, sys, time
spec = importlib.util.spec_from_file_location("locks", sys.argv[1])
locks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(locks)
"""


def start(code, directory):
    """Starts a process that has `locks`, and the directory at `argv[2]`."""
    return subprocess.Popen(
        [sys.executable, "-c", LOAD + code, locks.__file__, directory],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def write(directory, **changes):
    """Leaves a lock as another host would that is no more."""
    path = directory / locks.NAME
    found = {"process": 7, "host": "other", "boot": "there", **changes}
    path.write_text(json.dumps(found))
    return path


@pytest.fixture
def impatient(monkeypatch):
    """Nobody waits long for a host that may be dead."""
    monkeypatch.setattr(locks, "WATCH", 0.2)


def test_one_at_a_time(tmp_path):
    with locks.held(tmp_path) as lock:
        assert locks.holder(tmp_path).startswith(f"process {os.getpid()} on")
        with locks.held(tmp_path) as again:  # The same thread may.
            assert again is lock
        assert locks.holder(tmp_path) is not None
        process = start("with locks.held(sys.argv[2]): pass", tmp_path)
        _, said = process.communicate(timeout=30)
        assert f"in use by process {os.getpid()} on" in said
    assert locks.holder(tmp_path) is None
    with pytest.raises(KeyError), locks.held(tmp_path):
        raise KeyError  # It gives it free as well.
    assert list(tmp_path.iterdir()) == []


def test_another_thread_is_another_user(tmp_path):
    answers = []

    def work():
        try:
            with locks.held(tmp_path):
                answers.append("mine")
        except locks.Held as error:
            answers.append(error.holder)

    with locks.held(tmp_path):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert answers == [f"process {os.getpid()} on {os.uname().nodename}"]


@pytest.mark.parametrize("fork", ["", "os.fork() or time.sleep(15)\n    "])
def test_a_lock_dies_with_its_process_and_not_with_its_child(tmp_path, fork):
    process = start(
        f"with locks.held(sys.argv[2]):\n    {fork}"
        "print('held', flush=True)\n    time.sleep(60)\n",
        tmp_path,
    )
    assert process.stdout.readline() == "held\n"
    assert locks.holder(tmp_path) is not None
    process.kill()
    process.wait()
    begun = time.monotonic()
    with locks.held(tmp_path):  # At once, though the file is there.
        assert time.monotonic() - begun < 5
    process.stdin.close()
    process.stdout.close()
    process.stderr.close()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("ahead", [0, 86400, -86400])
def test_a_dead_host_blocks_nothing_whatever_its_clock(tmp_path, ahead, capfd):
    path = write(tmp_path)
    when = time.time() + ahead
    os.utime(path, (when, when))
    assert locks.holder(tmp_path) is None
    with locks.held(tmp_path):
        assert json.loads(path.read_text())["process"] == os.getpid()
    assert "left by process 7 on other. Waiting" in capfd.readouterr().err


def test_a_host_whose_lock_is_not_felt_is_believed_while_it_beats(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(locks, "WATCH", 20)
    path, over = write(tmp_path), threading.Event()

    def beat():
        while not over.wait(0.05):
            os.utime(path)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        said = "in use by process 7 on other"
        with pytest.raises(locks.Held, match=said), locks.held(tmp_path):
            pass
    finally:
        over.set()
        thread.join()


@pytest.mark.usefixtures("impatient")
def test_where_there_are_no_locks_the_beat_counts(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(locks, "BEAT", 0.01)
    with locks.held(tmp_path):
        process = start(
            "import fcntl\n"
            "def refuse(*_): raise OSError(37, 'No locks')\n"
            "fcntl.flock = refuse\n"
            "with locks.held(sys.argv[2]): print('taken')\n",
            tmp_path,
        )
        out, said = process.communicate(timeout=30)
    assert out == ""
    assert "Held" in said
    with locks.held(tmp_path):  # It was left in order: nobody waits.
        pass


def test_it_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "BEAT", 0.02)
    path = tmp_path / locks.NAME
    with locks.held(tmp_path):
        os.utime(path, (0, 0))
        until = time.time() + 5
        while path.stat().st_mtime == 0:
            assert time.time() < until
            time.sleep(0.01)


def test_a_process_that_lost_its_lock_ends(tmp_path):
    process = start(
        "locks.BEAT = 0.02\n"
        "with locks.held(sys.argv[2]):\n"
        "    path = pathlib.Path(sys.argv[2], locks.NAME)\n"
        '    path.write_text(\'{"process": 7, "host": "other"}\')\n'
        "    time.sleep(30)\n"
        "print('went on')\n",
        tmp_path,
    )
    out, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "taken over by process 7 on other" in said
    assert out == ""


def test_a_removed_directory_is_noticed(tmp_path):
    directory = tmp_path / "run"
    directory.mkdir()
    with locks.held(directory) as lock:
        lock.check()
        (directory / locks.NAME).unlink()
        directory.rmdir()
        with pytest.raises(OSError, match="was removed or replaced while"):
            lock.check()
        directory.mkdir()
        (directory / locks.NAME).touch()
        with pytest.raises(OSError, match="was removed or replaced while"):
            lock.check()
    assert (directory / locks.NAME).exists()  # Another's, by now.


def test_a_planted_link_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / locks.NAME).symlink_to(tmp_path / "precious")
    with pytest.raises(OSError), locks.held(tmp_path):
        pass
    assert (tmp_path / "precious").read_text() == "precious"


def test_of_many_at_once_one_gets_what_the_dead_left(tmp_path):
    write(tmp_path, boot=locks._boot())
    several = [
        start(
            "input()\n"
            "try:\n"
            "    with locks.held(sys.argv[2]):\n"
            "        print(True, flush=True)\n"
            "        input()\n"
            "except locks.Held:\n"
            "    print(False, flush=True)\n"
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
