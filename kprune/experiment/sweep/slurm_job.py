"""What a job of Slurm does: one cell of a sweep, saved before its time ends."""

import os
import signal

from kprune.experiment.sweep import remote, slurm_commands
from kprune.training import EXIT_CODE, Terminated


class Job:
    """Runs a cell, on the node that Slurm chose.

    Slurm sends `SIGUSR2` before a job's time ends, and `SIGTERM` as it preempts
    a job or on `scancel`. submitit's own answer to the first, to queue the job
    again at once, would lose the steps since the last checkpoint, and it does
    not answer the second. Here the run first saves, and ends with the exit code
    143. The job is queued again unless Slurm says that it was cancelled: a job
    that ends in the grace of a preemption would not come again by itself.

    Args:
        task: Dict, as `remote.Remote.task` returns it.
    """

    def __init__(self, task):
        self.task = task
        self._again = False

    def __call__(self):
        import submitit

        number = getattr(signal, f"SIG{submitit.JobEnvironment.USR_SIG}")
        queue_again = signal.signal(number, self._note)
        signal.signal(signal.SIGTERM, _end)  # `fit` notes it by itself.
        try:
            return remote.run_here(self.task)
        except Terminated:
            if not (self._again or _is_wanted(submitit.JobEnvironment())):
                raise
        try:
            queue_again(number, None)
        except SystemExit as stop:
            # submitit's local cluster takes 144 for "start it again".
            raise SystemExit(max(stop.code, EXIT_CODE)) from None

    def checkpoint(self):
        """Returns what submitit is to run when the job comes again."""
        import submitit

        return submitit.helpers.DelayedSubmission(Job(self.task))

    def _note(self, number, frame):
        del number, frame
        self._again = True
        os.kill(os.getpid(), signal.SIGTERM)


def _is_wanted(job):
    """Whether Slurm counts a job that was told to end as running."""
    if job.cluster != "slurm":
        return False
    return slurm_commands.described(job.job_id).get("JobState") == "RUNNING"


def _end(number, frame):
    del frame
    raise Terminated("The job was told to end.", number)
