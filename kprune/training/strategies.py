"""`strategy`: turns a name into a `tf.distribute` strategy."""

import json
import os
from typing import Any

import keras
import tensorflow as tf
from absl import logging

from kprune.runtime import (
    checks,
    cluster,
    distribution,
    keras_internals,
    lookup,
    meeting,
)
from kprune.runtime.version import __version__
from kprune.training.termination import Terminated

# Seconds to wait for missing workers.
WORKER_TIMEOUT = 300


def strategy(
    name: str,
    *,
    timeout: float = WORKER_TIMEOUT,
    settings: dict[str, Any] | None = None,
) -> tf.distribute.Strategy:
    """Returns the `tf.distribute` strategy of a given name.

    Build, prune and compile the model within its `scope()`. Call this first
    in the program: workers must connect before TensorFlow computes anything.

    Args:
        name: One of

            - `"none"`: one device, TensorFlow's default.
            - `"mirrored"`: all GPUs of this machine, or all logical CPU
              devices if there are several and no GPU. Keras' `fit` is patched
              to start only the passes over the data that it trains on, and to
              treat a batch that does not divide evenly as one device does.
            - `"multi_worker"`: all machines that the environment variable
              `TF_CONFIG` names, each of which runs this program. Keras'
              `fit`, which fails under it, is patched.
            - `"tpu"`: the TPU that TensorFlow finds.
        timeout: Seconds to wait for the other workers, > 0. Defaults to 300.
            The missing workers are reported every 30 s.
        settings: Dict that JSON can hold, of settings that must be equal on
            all workers, such as the learning rate. Versions are always
            compared.

    Returns:
        A `tf.distribute.Strategy`.

    Raises:
        ValueError: If the name is unknown, there are no such devices, or
            workers were started with different settings.
        kprune.training.Terminated: If a worker is missing after `timeout`.

    Example:

    >>> with kprune.training.strategy("none").scope():
    ...     model = kprune.models.get("lenet_300_100")
    """
    checks.number("timeout", timeout, "(0, inf)", ", in seconds")
    settings = _of_json(settings)
    make = lookup.choose(name, _STRATEGIES, "strategy")
    made = make(timeout, settings)
    if name in ("mirrored", "multi_worker"):
        keras_internals.mend_fit(made)
    if name == "mirrored":
        keras_internals.mend_losses(made)
        distribution.share_evenly(made)
    return made


def _of_json(settings):
    """Returns settings after a round trip through JSON, for comparison."""
    expected = "a dict from strings to what JSON can hold"
    try:
        found = json.loads(json.dumps({} if settings is None else settings))
    except (TypeError, ValueError, RecursionError):
        raise checks.invalid("settings", settings, expected) from None
    return checks.instance("settings", found, dict, expected)


def _none(*_):
    return tf.distribute.get_strategy()


def is_chief(name: str) -> bool:
    """Returns whether this process is the one that writes files.

    Args:
        name: String, as for `strategy`, which need not have been called yet.
    """
    if name != "multi_worker":
        return True
    try:
        return cluster.read(os.environ.get("TF_CONFIG")).leads
    except ValueError:
        return True  # `strategy` reports the error.


def _mirrored(*_):
    gpus = tf.config.list_logical_devices("GPU")
    if gpus:
        return tf.distribute.MirroredStrategy([gpu.name for gpu in gpus])
    cpus = [cpu.name for cpu in tf.config.list_logical_devices("CPU")]
    if len(cpus) < 2:
        raise ValueError(
            "Strategy 'mirrored' needs a GPU, or several logical CPU devices. "
            f"Found: {', '.join(cpus)}. Use 'none', or make logical devices "
            "with `tf.config.set_logical_device_configuration`."
        )
    # Collectives of several strategies in one process interfere.
    reduction = tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(cpus, reduction)


def _multi_worker(timeout, settings):
    found = cluster.read(os.environ.get("TF_CONFIG"))
    if keras_internals.computes_already():
        raise _too_late("Operations came before it.")
    _meet(found, settings, timeout)
    keras_internals.limit_wait_for_workers(found, timeout)
    gpus = tf.config.list_physical_devices("GPU")
    implementation = tf.distribute.experimental.CommunicationImplementation
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=implementation.NCCL if gpus else implementation.RING
    )
    try:
        made = tf.distribute.MultiWorkerMirroredStrategy(
            communication_options=options
        )
    except RuntimeError as error:
        # TensorFlow's message names the cause: operations ran earlier.
        raise _too_late(error) from error
    return made


def _too_late(why):
    return ValueError(
        "Strategy 'multi_worker' must be made before TensorFlow computes "
        f"anything in this process. {why}"
    )


def _meet(found, settings, timeout):
    """Waits until all workers of a `Cluster` have connected."""
    kinds = {"kprune": __version__, "keras": keras.__version__}
    kinds["tensorflow"] = tf.__version__
    versions = {f"the version of {k}": v for k, v in kinds.items()}
    try:
        meeting.meet(found, {**settings, **versions}, timeout)
    except meeting.WorkersMissing as error:
        logging.warning(str(error))
        raise Terminated(str(error)) from error


def _tpu(*_):
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as error:
        raise ValueError(
            "Strategy 'tpu' found no TPU. Run it on a TPU machine with its "
            f"build of TensorFlow. TensorFlow says: {error}"
        ) from error
    return tf.distribute.TPUStrategy(resolver)


_STRATEGIES = {
    "none": _none,
    "mirrored": _mirrored,
    "multi_worker": _multi_worker,
    "tpu": _tpu,
}
