"""What Slurm's commands say of jobs."""

import re
import subprocess


class Cluster:
    """What Slurm says of jobs; sacct, which submitit asks, needs a data base
    that not every cluster has."""

    def __init__(self, job):
        self.job = job

    def alive(self):
        """Returns the numbers of the jobs that wait or run."""
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
        """Sends jobs SIGTERM, and SIGKILL after Slurm's `KillWait`."""
        if jobs:
            said("scancel", *[job.job_id for job in jobs])


def described(job_id):
    """Returns what Slurm says of a job, a dict such as `{"JobState": "RUNNING",
    "ExitCode": "0:0"}`."""
    text = said("scontrol", "--oneliner", "show", "job", job_id)
    return dict(re.findall(r"\b(JobState|ExitCode)=(\S+)", text))


def said(*command):
    """Returns what one of Slurm's commands prints."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True
        )
    except subprocess.CalledProcessError as error:
        raise RuntimeError(
            f"{command[0]} failed: {error.stderr.strip()}"
        ) from error
    return done.stdout
