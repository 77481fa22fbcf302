"""`strategy`: from a name to the devices that train together."""

import json
import os

import tensorflow as tf

from kprune.runtime import keras_internals, lookup


def strategy(name):
    """Returns the `tf.distribute` strategy of a name.

    Build, prune and compile the model within its `scope()`. Call this first
    thing in the program: workers must meet before TensorFlow computes.

    Args:
        name: One of

            - `"none"`: one device, TensorFlow's default.
            - `"mirrored"`: all GPUs of this machine, or all logical CPU
              devices if there are several and no GPU.
            - `"multi_worker"`: all machines that the environment variable
              `TF_CONFIG` names, each of which runs this program. Keras'
              `fit`, which fails under it, is mended.
            - `"tpu"`: the TPU that TensorFlow finds.

    Returns:
        A `tf.distribute.Strategy`.

    Raises:
        ValueError: If the name is unknown, or there are no such devices.

    Example:

    >>> with kprune.training.strategy("none").scope():
    ...     model = kprune.models.get("lenet_300_100")
    """
    return lookup.choose(name, _STRATEGIES, "strategy")()


def _mirrored():
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
    # Collective operations of several strategies in one process mix up.
    reduction = tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(cpus, reduction)


def _multi_worker():
    _check_cluster(os.environ.get("TF_CONFIG"))
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
        # TensorFlow's words name the cause: operations before the meeting.
        raise ValueError(
            "Strategy 'multi_worker' must be made before TensorFlow computes "
            f"anything in this process. {error}"
        ) from error
    keras_internals.mend_multi_worker_fit(made)
    return made


def _check_cluster(text):
    example = (
        '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, '
        '"task": {"type": "worker", "index": 0}}'
    )
    try:
        config = json.loads(text)
        kind, index = config["task"]["type"], config["task"]["index"]
        config["cluster"][kind][index]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ValueError(
            "Strategy 'multi_worker' needs the environment variable TF_CONFIG "
            "on each machine, with a cluster and a task in it, such as "
            f"{example}. Received: {text}"
        ) from error


def _tpu():
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
    "none": tf.distribute.get_strategy,
    "mirrored": _mirrored,
    "multi_worker": _multi_worker,
    "tpu": _tpu,
}
