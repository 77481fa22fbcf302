"""Where a sweep's cells run: what is submitted, watched and told."""

import json
import os
import signal
import subprocess
import types

import missing_packages
import pytest

from kprune import experiment
from kprune.experiment import directory
from kprune.experiment.sweep import (
    executors,
    grid,
    ray_tasks,
    remote,
    slurm,
    slurm_commands,
    slurm_job,
)
from kprune.runtime import extras, locks
from kprune.training import Terminated

RESULT = {"test_accuracy": 0.5, "sparsity": 0.5, "seconds": 1.0}


@pytest.fixture
def cells():
    return grid.cells(experiment.default(), ["random"], [0.5], [0, 1, 2])


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(remote, "PATIENCE", 0.0)
    monkeypatch.setattr(remote, "_PAUSE", 0.0)


def finish(runs, cell):
    directory.start(runs / cell.name, {"config": cell.config.to_dict()})
    directory.finish(runs / cell.name, RESULT)


# The choice.


@pytest.mark.parametrize("name", executors.EXECUTORS)
def test_an_executor_goes_by_its_name(name):
    executor = executors.get(name)
    assert executors.get(executor) is executor
    assert executor == executors.EXECUTORS[name]()


@pytest.mark.parametrize(
    ("executor", "said"),
    [
        ("slrum", "Did you mean 'slurm'"),
        (3, "Unknown executor: 3"),
        (experiment.RayExecutor(address="auto:"), "auto, or HOST:PORT"),
        (experiment.RayExecutor(address="localhost:1"), "There is no Ray"),
        (experiment.RayExecutor(cpus_per_run=10**6), "cpus_per_run"),
        (experiment.RayExecutor(gpus_per_run=999), "gpus_per_run"),
        (experiment.LocalExecutor(gpus_per_run=999), "for .* GPUs at 999"),
    ],
)
def test_what_cannot_be_had_is_refused_before_anything(
    executor, said, tmp_path, monkeypatch
):
    monkeypatch.setattr(extras, "load", lambda *_: None)  # As if installed.
    with pytest.raises(ValueError, match=said):
        experiment.run_sweep(
            {}, tmp_path / "runs", ["random"], [0.5], executor=executor
        )
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("executor", "package", "extra"),
    [("ray", "ray", "ray"), ("slurm", "submitit", "slurm")],
)
def test_a_package_that_is_missing_is_named(
    executor, package, extra, tmp_path, monkeypatch
):
    missing_packages.hide(monkeypatch, package)
    with pytest.raises(ValueError, match=rf"kprune\[{extra}\]"):
        experiment.run_sweep(
            {}, tmp_path / "runs", ["random"], [0.5], executor=executor
        )
    assert not (tmp_path / "runs").exists()


@missing_packages.needs("submitit")
def test_slurm_must_be_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="There is no Slurm on this machine"):
        experiment.SlurmExecutor().check()


@pytest.mark.parametrize(
    "arguments",
    [
        {"minutes": 1},
        {"gpus_per_run": 0.5},
        {"options": {"mem": "4G"}},
        {"options": {"Account": "lab"}},
        {"options": "account=lab"},
        {"jobs": 0},
        {"memory_gb": 0},
    ],
)
def test_what_slurm_cannot_take_is_refused(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=name):
        experiment.SlurmExecutor(**arguments)


# The loop that watches a cluster.


class Fake(remote.Remote):
    """A cluster of which each look ends the cells in `outcomes_of`."""

    def __init__(self, cells, runs, answers):
        super().__init__(cells, runs)
        self.answers = answers
        self.submitted = []
        self.cancelled = []

    def submit(self, cells):
        self.submitted += [cell.name for cell in cells]
        return [f"job of {cell.name}" for cell in cells]

    def poll(self, submitted):
        assert submitted == {name: f"job of {name}" for name in submitted}
        return {name: self.answers[name].pop(0) for name in submitted}

    def cancel(self, submitted):
        self.cancelled += submitted


def test_what_is_finished_is_not_submitted(cells, tmp_path):
    done, running, failing = cells
    finish(tmp_path, done)
    answers = {
        running.name: [{"held": "x"}, {"held": "x"}, {"result": RESULT}],
        failing.name: [{"error": "too hot"}],
    }
    cluster = Fake(cells, tmp_path, answers)
    found = [(c.name, outcome) for c, outcome in cluster.outcomes()]
    assert found == [
        (done.name, {"result": RESULT}),
        (running.name, {"held": "x"}),  # Told once.
        (failing.name, {"error": "too hot"}),
        (running.name, {"result": RESULT}),
    ]
    assert cluster.submitted == [running.name, failing.name] + 2 * [
        running.name
    ]


def test_what_another_process_runs_is_waited_for(cells, tmp_path):
    (cell,) = cells[:1]
    (tmp_path / cell.name).mkdir()
    with locks.held(tmp_path / cell.name):
        cluster = Fake([cell], tmp_path, {})
        found = cluster.outcomes()
        _, outcome = next(found)
        assert outcome["held"].startswith(f"process {os.getpid()} on ")
    finish(tmp_path, cell)
    assert next(found) == (cell, {"result": RESULT})
    assert cluster.submitted == []


def test_a_damaged_directory_is_told_and_the_others_run(cells, tmp_path):
    damaged, *others = cells
    finish(tmp_path, damaged)
    (tmp_path / damaged.name / "config.json").write_text("{")
    answers = {cell.name: [{"result": RESULT}] for cell in others}
    cluster = Fake(cells, tmp_path, answers)
    (first, outcome), *rest = cluster.outcomes()
    assert first == damaged
    assert "is damaged" in outcome["error"]
    assert [outcome for _, outcome in rest] == [{"result": RESULT}] * 2


def test_a_task_says_where_it_was_started(cells, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    task = Fake(cells, "runs", {}).task(cells[0])
    assert json.loads(json.dumps(task)) is not None
    assert task["current"] == str(tmp_path)
    assert task["workdir"] == str(tmp_path / "runs" / cells[0].name)
    task["current"] = str(tmp_path / "gone")
    assert "No such file" in remote.run_here(task)["error"]


# Jobs of Slurm.


class Slurm:
    """A stand-in for submitit and Slurm: jobs live until they are ended."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.jobs = []
        self.dead = {}

    def job(self, folder, job_id):
        path = folder / f"{job_id}.pkl"
        return types.SimpleNamespace(
            job_id=job_id,
            paths=types.SimpleNamespace(result_pickle=path),
            exception=lambda: None,
            result=lambda: json.loads(path.read_text()),
        )

    def submit_array(self, tasks):
        made = []
        for task in tasks:
            self.jobs.append(task.task["workdir"])
            made.append(self.job(self.folder, f"7_{len(self.jobs)}"))
        return made

    def alive(self):
        every = {f"7_{i + 1}" for i in range(len(self.jobs))}
        return every - set(self.dead)

    def end(self, job):
        return self.dead[job.job_id]

    def cancel(self, jobs):
        self.dead |= {job.job_id: "CANCELLED, exit code 0" for job in jobs}

    def answer(self, job_id, outcome):
        path = self.folder / f"{job_id}.pkl"
        path.write_text(json.dumps(outcome))
        self.dead[job_id] = "COMPLETED, exit code 0"


@pytest.fixture
def fake_slurm(tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "_LOOK", 0.0)
    return Slurm(tmp_path / "runs" / slurm.FOLDER)


def jobs_of(fake, cells, retries=3):
    found = slurm.Jobs(fake, fake, retries, cells, fake.folder.parent, None)
    return found, {
        cell.name: job
        for cell, job in zip(cells, found.submit(cells), strict=True)
    }


def test_a_job_that_is_lost_is_submitted_again(fake_slurm, cells):
    found, sent = jobs_of(fake_slurm, cells[:1], retries=2)
    for number in (1, 2):
        fake_slurm.dead[f"7_{number}"] = "NODE_FAIL, exit code 0"
        # A file server may show a result late: it is believed at second look.
        assert found.poll(sent) == {}
        assert len(fake_slurm.jobs) == number
        assert found.poll(sent) == {}
        assert len(fake_slurm.jobs) == number + 1
    fake_slurm.dead["7_3"] = "OUT_OF_MEMORY, exit code 0"
    found.poll(sent)
    (outcome,) = found.poll(sent).values()
    expected = "Its job 7_3 ended: OUT_OF_MEMORY, exit code 0."
    assert outcome == {"error": expected}


def test_a_job_that_is_cancelled_is_not(fake_slurm, cells):
    found, sent = jobs_of(fake_slurm, cells[:1])
    fake_slurm.dead["7_1"] = "CANCELLED, exit code 143"
    found.poll(sent)
    assert "CANCELLED" in found.poll(sent)[cells[0].name]["error"]
    assert len(fake_slurm.jobs) == 1


def test_jobs_that_an_earlier_sweep_left_are_found_again(fake_slurm, cells):
    jobs_of(fake_slurm, cells)
    fake_slurm.dead["7_2"] = "FAILED, exit code 1"
    found, sent = jobs_of(fake_slurm, cells)
    assert [job.job_id for job in sent.values()] == ["7_1", "7_4", "7_3"]
    fake_slurm.answer("7_4", {"result": RESULT})
    assert found.poll(sent) == {cells[1].name: {"result": RESULT}}
    found.cancel(sent)
    assert fake_slurm.alive() == set()


def test_a_job_that_found_its_cell_held_is_followed_by_another(
    fake_slurm, cells
):
    found, sent = jobs_of(fake_slurm, cells[:1])
    fake_slurm.dead["7_1"] = "NODE_FAIL, exit code 0"
    found.poll(sent)
    found.poll(sent)
    fake_slurm.answer("7_2", {"held": "process 3 on node1"})
    assert "held" in found.poll(sent)[cells[0].name]
    sent = {cells[0].name: found.submit(cells[:1])[0]}
    assert found.poll(sent) == {}
    fake_slurm.answer("7_3", {"result": RESULT})
    assert found.poll(sent) == {cells[0].name: {"result": RESULT}}


def test_slurm_may_be_silent_for_a_while(fake_slurm, cells, monkeypatch):
    found, sent = jobs_of(fake_slurm, cells[:1])

    def silent():
        raise RuntimeError("squeue failed: timed out")

    monkeypatch.setattr(slurm, "_SILENT", 2)
    monkeypatch.setattr(fake_slurm, "alive", silent)
    assert [found.poll(sent) for _ in range(2)] == [{}, {}]
    with pytest.raises(RuntimeError, match="timed out"):
        found.poll(sent)


def test_the_end_of_a_job_is_in_slurms_words(monkeypatch, tmp_path):
    text = "JobId=7 JobState=FAILED Reason=None ExitCode=143:0 A=DerivedExit"
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\necho '{text}'\n")
    (tmp_path / "scontrol").chmod(0o755)
    (tmp_path / "squeue").write_text("#!/bin/sh\necho down >&2; exit 1\n")
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    cluster = slurm_commands.Cluster(None)
    job = types.SimpleNamespace(job_id="7")
    assert cluster.end(job) == "FAILED, exit code 143"
    with pytest.raises(RuntimeError, match="squeue failed: down"):
        cluster.alive()


# What a job does when it is told to end.


@pytest.fixture
def in_a_job(monkeypatch):
    """Lets this process be a job: returns how often it was queued again."""
    queued = []

    def queue(number, frame):
        queued.append(number)
        raise SystemExit(-1)

    class Environment:
        USR_SIG = "USR2"
        cluster = "slurm"
        job_id = "7_1"

    module = types.SimpleNamespace(JobEnvironment=Environment)
    monkeypatch.setitem(__import__("sys").modules, "submitit", module)
    numbers = (signal.SIGUSR2, signal.SIGTERM)
    before = [signal.signal(number, queue) for number in numbers]
    yield queued
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "state", "again"),
    [
        (signal.SIGUSR2, "RUNNING", True),  # Its time ends.
        (signal.SIGTERM, "RUNNING", True),  # It is preempted.
        (signal.SIGTERM, "CANCELLED", False),
    ],
)
def test_a_job_saves_and_is_queued_again_unless_cancelled(
    number, state, again, in_a_job, monkeypatch
):
    def run(task):
        os.kill(os.getpid(), number)
        return "not stopped"

    said = {"JobState": state}
    monkeypatch.setattr(remote, "run_here", run)
    monkeypatch.setattr(slurm_commands, "described", lambda _: said)
    with pytest.raises(SystemExit) as stop:
        slurm_job.Job({})()
    assert stop.value.code == 143
    assert len(in_a_job) == again
    if not again:
        assert isinstance(stop.value, Terminated)


def test_a_program_that_ends_itself_is_not_queued_again(in_a_job, monkeypatch):
    def run(task):
        raise SystemExit(3)

    monkeypatch.setattr(remote, "run_here", run)
    with pytest.raises(SystemExit) as stop:
        slurm_job.Job({})()
    assert stop.value.code == 3
    assert in_a_job == []


# The script.


@missing_packages.needs("submitit")
def test_the_script_says_what_was_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # No Slurm is needed for it.
    executor = experiment.SlurmExecutor(
        partition="gpu",
        minutes=90,
        memory_gb=1.5,
        cpus_per_run=4,
        gpus_per_run=1,
        jobs=2,
        options={"account": "lab", "exclusive": True},
    )
    lines = executor.script(tmp_path / "my runs", 5).splitlines()
    for line in (
        "#SBATCH --array=0-4%2",
        "#SBATCH --partition=gpu",
        "#SBATCH --time=90",
        "#SBATCH --mem=1536M",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --gpus-per-node=1",
        "#SBATCH --account=lab",
        "#SBATCH --exclusive",
        "#SBATCH --requeue",
        "#SBATCH --signal=USR2@90",
        "export TF_NUM_INTRAOP_THREADS=4",
        "export PYTHONSAFEPATH=1",
    ):
        assert line in lines
    (start,) = [line for line in lines if line.startswith("srun ")]
    assert start.endswith(f"'{tmp_path}/my runs/.slurm'")
    assert not (tmp_path / "my runs").exists()
    subprocess.run(
        ["/bin/bash", "-n"], input="\n".join(lines), check=True, text=True
    )


def test_ray_is_asked_for_what_a_cell_takes(cells, tmp_path, monkeypatch):
    asked = {}

    class Task:
        def options(self, **options):
            asked.update(options)
            return self

    monkeypatch.setattr(ray_tasks.RayExecutor, "check", lambda *_: None)
    module = types.SimpleNamespace(remote=lambda function: Task())
    monkeypatch.setattr(ray_tasks, "connect", lambda _: (module, False))
    executor = experiment.RayExecutor(2, 0.5, max_retries=7)
    executor.start(cells, tmp_path)
    assert asked["num_cpus"] == 2
    assert asked["num_gpus"] == 0.5
    assert asked["max_retries"] == 7
    threads = asked["runtime_env"]["env_vars"]["TF_NUM_INTRAOP_THREADS"]
    assert threads == "2"
