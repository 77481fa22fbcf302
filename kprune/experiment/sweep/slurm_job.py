"""A Slurm job that runs one cell of a sweep and saves before its time ends."""

import os
import signal

from kprune.experiment.sweep import remote, slurm_commands
from kprune.training import EXIT_CODE, Terminated


class Job:
    """A Slurm job that runs a cell.

    Slurm sends `SIGUSR2` before a job's time ends, and `SIGTERM` when it
    preempts a job and on `scancel`. On the first, submitit queues the job again
    at once, which would lose the steps since the last checkpoint; it ignores
    the second. Here the run saves first, and exits with code 143. Then the job
    is queued again unless Slurm reports it as cancelled: Slurm does not requeue
    a job that exits within the grace period of a preemption.

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
        signal.signal(signal.SIGTERM, _end)  # `fit` has its own handler.
        try:
            return remote.run_here(self.task)
        except Terminated:
            if not (self._again or _is_wanted(submitit.JobEnvironment())):
                raise
        try:
            queue_again(number, None)
        except SystemExit as stop:
            # submitit's local cluster restarts a job on exit code 144.
            raise SystemExit(max(stop.code, EXIT_CODE)) from None

    def checkpoint(self):
        """Returns the submission that runs when submitit requeues the job."""
        import submitit

        return submitit.helpers.DelayedSubmission(Job(self.task))

    def _note(self, number, frame):
        del number, frame
        self._again = True
        os.kill(os.getpid(), signal.SIGTERM)


def _is_wanted(job):
    """Returns whether Slurm still counts a job as running, not as cancelled."""
    if job.cluster != "slurm":
        return False
    return slurm_commands.described(job.job_id).get("JobState") == "RUNNING"


def _end(number, frame):
    del frame
    raise Terminated("The job was told to end.", number)
