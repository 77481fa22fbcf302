"""TensorFlow's coordination of workers: its state and timeout.

TensorFlow has no public API for either. If a release has other names, these
functions are no-ops, and TensorFlow keeps its defaults.
"""

import contextlib

from tensorflow.python.distribute import collective_all_reduce_strategy
from tensorflow.python.eager import context


def computes_already():
    """Returns whether TensorFlow has computed anything, after which it cannot
    connect to other workers."""
    return getattr(context.context(), "_context_handle", None) is not None


def limit_wait_for_workers(cluster, seconds):
    """Limits how long TensorFlow waits for a worker that dies just before it
    connects to `seconds`; its default is an hour."""
    jobs = [task.name.split()[0] for task in cluster.tasks]
    with contextlib.suppress(AttributeError, TypeError, ValueError):
        protocol = collective_all_reduce_strategy.coordination_config_pb2
        context.context().configure_coordination_service(
            service_type="standalone",
            service_leader=f"/job:{jobs[0]}/replica:0/task:0",
            coordinated_jobs=[
                protocol.CoordinatedJob(name=job, num_tasks=jobs.count(job))
                for job in sorted(set(jobs))
            ],
            cluster_register_timeout_in_ms=int(1000 * seconds),
        )
