"""Workers that are missing, late or wrong: each says so and ends in time.

Real processes run `kprune train`, each with a `TF_CONFIG` of its own.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

from faults.outcomes import Outcome

_ROOT = pathlib.Path(__file__).parents[3]
_KPRUNE = [sys.executable, "-c", "import kprune_command as k; k.main()"]
_FLAGS = (
    "train",
    "--config=quickstart",
    "--config.model.name=lenet_300_100",
    "--config.artifacts=false",
    "--config.dataset.drop_remainder=true",
    "--config.training.steps_per_epoch=3",
    "--method=random",
    "--batch_size=32",
    "--epochs=2",
    "--distribute=multi_worker",
)
PATIENCE = 15  # Seconds, the workers' --worker_timeout.
_LIMIT = 150  # Seconds until a process that has not ended is said to hang.
GIVEN_UP = 143  # The exit code of which schedulers start a process again.


@dataclasses.dataclass(frozen=True)
class Worker:
    """A process that is started: its index, what else is among its flags and
    in its `TF_CONFIG`, after how many seconds it starts, and whether it is
    killed while it trains, before the next one starts."""

    index: int
    flags: tuple = ()
    addresses: dict = dataclasses.field(default_factory=dict)
    cluster: object = None
    after: float = 0
    killed: bool = False


@dataclasses.dataclass(frozen=True)
class Case:
    """What is tried, who is started, and what each has to end with: an exit
    code, and words that it has to say. `taken` is the index of a worker at
    whose port another process listens."""

    what: str
    workers: tuple
    ends: tuple
    taken: int | None = None


def _alike(count, code, words):
    return ((code, words),) * count


_OTHER_RATE = "training.learning_rate=0.5, not 0.001"
ALONE = Case("worker 1 missing", (Worker(0),), ((GIVEN_UP, "for worker 1"),))
OTHER_RATE = Case(
    "another learning rate",
    (Worker(0), Worker(1, ("--config.training.learning_rate=0.5",))),
    _alike(2, 1, f"worker 1 has {_OTHER_RATE}"),
)
CASES = (
    ALONE,
    OTHER_RATE,
    Case("worker 0 missing", (Worker(1),), ((GIVEN_UP, "for worker 0"),)),
    Case(
        "an address that does not resolve",
        (Worker(0, addresses={1: "nowhere.invalid:9000"}),),
        ((GIVEN_UP, "does not resolve"),),
    ),
    Case(
        "worker 1 where no one reaches it",
        (
            Worker(0, addresses={1: "nowhere.invalid:{1}"}),
            Worker(1, addresses={1: "nowhere.invalid:{1}"}),
        ),
        _alike(2, GIVEN_UP, "does not resolve"),
    ),
    Case(
        "port 99999",
        (Worker(0, addresses={1: "localhost:99999"}),),
        ((1, "a port from 1 to 65535"),),
    ),
    Case(
        "a worker that is a string",
        (Worker(0, cluster={"worker": "localhost:9000"}),),
        ((1, "to be a list of addresses"),),
    ),
    Case(
        "an index that is taken",
        (Worker(1),),
        ((GIVEN_UP, "of worker 1 (Address already in use"),),
        taken=1,
    ),
    Case(
        "other numbers of epochs",
        (Worker(0), Worker(1, ("--epochs=3",))),
        _alike(2, 1, "worker 1 has training.epochs=3, not 2"),
    ),
    Case(
        "another cluster",
        (Worker(0), Worker(1, addresses={2: "localhost:9000"})),
        _alike(2, 1, "worker 1 has another cluster"),
    ),
    Case(
        "a worker that is late",
        (Worker(0), Worker(1, after=5)),
        _alike(2, 0, ""),
    ),
    Case(
        "a worker that comes back alone",
        (
            Worker(0, ("--epochs=100000",)),
            Worker(1, ("--epochs=100000",), killed=True),
            Worker(1, ("--epochs=100000",)),
        ),
        (
            (GIVEN_UP, "a worker is gone"),
            (-signal.SIGKILL, ""),
            (GIVEN_UP, "for worker 0"),
        ),
    ),
)


def measure(workdir, seeds, cases, chosen=CASES):
    """Yields an `Outcome` for each case of `CASES`, each tried once."""
    del seeds, cases
    for number, case in enumerate(chosen):
        yield _outcome(case, workdir / str(number))


def _outcome(case, workdir):
    start = time.monotonic()
    failures = []
    for worker, (code, said), (expected, words) in zip(
        case.workers, _run(case, workdir), case.ends, strict=True
    ):
        if code != expected or words not in said:
            failures.append(
                f"{case.what}: worker {worker.index} ended with {code}, not "
                f"{expected}: {said[-1500:]}"
            )
    codes = ", ".join(str(code) for code, _ in case.ends)
    found = "came out wrong"
    if not failures:
        found = f"exit codes {codes}, after {time.monotonic() - start:.0f} s"
    return Outcome(f"workers: {case.what}", 1, found, failures)


def _run(case, workdir):
    """Returns an exit code and what was printed for each worker."""
    ports = _free_ports(2)
    processes = []
    with contextlib.ExitStack() as stack:
        if case.taken is not None:
            address = ("", ports[case.taken])
            stack.enter_context(socket.create_server(address))
        for worker in case.workers:
            time.sleep(worker.after)
            processes.append(_started(worker, ports, workdir))
            stack.callback(processes[-1].kill)
            if worker.killed:
                _kill_in_training(processes[-1], workdir)
        return [_ended(process) for process in processes]


def _started(worker, ports, workdir):
    addresses = {i: f"localhost:{ports[i]}" for i in range(2)}
    for index, address in worker.addresses.items():
        addresses[index] = address.format(*ports)
    cluster = worker.cluster or {"worker": list(addresses.values())}
    task = {"type": "worker", "index": worker.index}
    environment = {
        **os.environ,
        "TF_CONFIG": json.dumps({"cluster": cluster, "task": task}),
        "PYTHONPATH": os.pathsep.join(map(str, (_ROOT, _ROOT / "tools"))),
    }
    flags = (f"--workdir={workdir}", f"--worker_timeout={PATIENCE}")
    return subprocess.Popen(
        [*_KPRUNE, *_FLAGS, *flags, *worker.flags],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _kill_in_training(process, workdir):
    end = time.monotonic() + _LIMIT
    while time.monotonic() < end and process.poll() is None:
        if len(list(workdir.glob("checkpoints/step-*.npz"))) > 1:
            process.kill()
            return
        time.sleep(0.05)


def _ended(process):
    try:
        said, _ = process.communicate(timeout=_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        return "no end", said
    return process.returncode, said


def _free_ports(count):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in sockets]
    for server in sockets:
        server.close()
    return ports
