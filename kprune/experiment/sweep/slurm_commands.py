"""Queries and cancels jobs by Slurm's commands."""

import re
import subprocess


class Cluster:
    """The state of jobs by squeue and scontrol.

    submitit asks sacct, which needs a database that not every cluster has.
    """

    def __init__(self, job):
        self.job = job

    def alive(self):
        """Returns the ids of the jobs that wait or run."""
        text = said("squeue", "--noheader", "--array", "--me", "--format=%i")
        return set(text.split())

    def end(self, job):
        """Returns how a job ended, in Slurm's words."""
        try:
            found = described(job.job_id)
        except RuntimeError:  # Slurm forgets jobs after some minutes.
            return "UNKNOWN"
        code = found.get("ExitCode", "?").partition(":")[0]
        return f"{found.get('JobState', 'UNKNOWN')}, exit code {code}"

    def cancel(self, jobs):
        """Sends jobs SIGTERM; Slurm sends SIGKILL after its `KillWait`."""
        if jobs:
            said("scancel", *[job.job_id for job in jobs])


def described(job_id):
    """Returns the state of a job, such as `{"JobState": "RUNNING",
    "ExitCode": "0:0"}`."""
    text = said("scontrol", "--oneliner", "show", "job", job_id)
    return dict(re.findall(r"\b(JobState|ExitCode)=(\S+)", text))


def said(*command):
    """Runs one of Slurm's commands, and returns its output."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True
        )
    except subprocess.CalledProcessError as error:
        raise RuntimeError(
            f"{command[0]} failed: {error.stderr.strip()}"
        ) from error
    return done.stdout
