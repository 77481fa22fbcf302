"""Workers that are missing or wrong, as real processes; the other cases of
`faults.workers` are slow, and threads stand for them in
`tests/runtime/test_meeting.py`."""

import pytest


def test_a_worker_that_is_alone(part, tmp_path, monkeypatch):
    workers = part("faults.workers")
    monkeypatch.setattr(workers, "PATIENCE", 2)
    (found,) = workers.measure(tmp_path, [], 0, [workers.ALONE])
    assert found.failures == []
    assert found.found.startswith("exit codes 143, after")


@pytest.mark.slow
def test_every_worker_missing_late_and_wrong(part, tmp_path):
    workers = part("faults.workers")
    for found in workers.measure(tmp_path, [], 0):
        assert found.failures == []


def test_a_process_that_hangs_is_found(part, monkeypatch):
    workers = part("faults.workers")
    monkeypatch.setattr(workers, "_LIMIT", 0.5)
    program = "import time; print('here', flush=True); time.sleep(100)"
    process = workers.subprocess.Popen(
        [workers.sys.executable, "-c", program],
        stdout=workers.subprocess.PIPE,
        text=True,
    )
    assert workers._ended(process)[0] == "no end"
    assert process.returncode == -9
