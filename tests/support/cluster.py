"""Two processes of this machine as the workers of one cluster."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[2]
_PATHS = (ROOT, ROOT / "tools", ROOT / "tests" / "support")


def start(program, *workers):
    """Starts two workers, and returns their processes.

    Args:
        program: Path of a Python file, from the directory above tests/.
        *workers: For each worker the list of its arguments.
    """
    ports = []
    for _ in workers:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            ports.append(free.getsockname()[1])
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    processes = []
    for index, arguments in enumerate(workers):
        task = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        processes.append(
            subprocess.Popen(
                [sys.executable, program, *arguments],
                cwd=ROOT,
                env={
                    **os.environ,
                    "TF_CONFIG": json.dumps(task),
                    "PYTHONPATH": ":".join(map(str, _PATHS)),
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    return processes


def ended(processes, limit=300):
    """Waits, and returns what each worker printed. What has not ended after
    `limit` seconds in all is killed, and says so."""
    end = time.monotonic() + limit
    said = []
    for process in processes:
        left = max(end - time.monotonic(), 0)
        try:
            said.append(process.communicate(timeout=left)[0])
        except subprocess.TimeoutExpired:
            for each in processes:
                each.kill()
            said.append(f"{process.communicate()[0]}\nKilled, for it hung.")
    return said


def run(program, *workers):
    """Runs two workers, as `start` does, to their good end."""
    processes = start(program, *workers)
    logs = ended(processes)
    for process, log in zip(processes, logs, strict=True):
        assert process.returncode == 0, log[-3000:]
