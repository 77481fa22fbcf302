"""What all tests share: a quiet TensorFlow and fixed seeds."""

import contextlib
import gc
import os
import signal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# The models are small, and the tests run in one process per core.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import keras
import pytest
import sets
import tensorflow as tf
from keras.src.backend.tensorflow.trainer import TensorFlowTrainer

# Two devices, so that tests can use two replicas.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)


_build = TensorFlowTrainer._maybe_symbolic_build


def build_first(model, iterator=None, data_batch=None):
    """Makes the variables of the optimizer and the metrics before the first
    step. Keras makes them as it traces the step, and traces it a second time
    for that: half of what a short `fit` takes."""
    if model._distribute_strategy is not None:
        return _build(model, iterator, data_batch)
    if not model.run_eagerly and model.optimizer is not None:
        if iterator is not None:
            data_batch = iterator._distributed_dataset.element_spec
        with contextlib.suppress(Exception):  # Then Keras does, or refuses.
            model._symbolic_build(data_batch=data_batch)


TensorFlowTrainer._maybe_symbolic_build = build_first


@pytest.fixture
def as_keras_builds(monkeypatch):
    """A step is traced as users have it, variables made on the way."""
    monkeypatch.setattr(TensorFlowTrainer, "_maybe_symbolic_build", _build)


@pytest.fixture
def heard_interrupts():
    """SIGINT interrupts, as at a terminal: a shell starts what it runs in the
    background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pytest_addoption(parser):
    words = "where to write how long each test takes; see tests/support/sets.py"
    parser.addoption("--seconds", metavar="FILE", help=words)


def pytest_configure(config):
    if path := config.getoption("--seconds"):
        config.pluginmanager.register(sets.Stopwatch(path))


@pytest.hookimpl(tryfirst=True)  # Before pytest selects by marks.
def pytest_collection_modifyitems(items):
    """The commands first: their tests take longest, and two processes that run
    the tests file by file should not end with them."""
    sets.mark_thorough(items)
    first = ("cli", "tools")
    items.sort(key=lambda item: item.path.parent.name not in first)


@pytest.fixture(autouse=True, scope="module")
def tidied():
    """What a file of tests leaves behind goes with it. Python would wait until
    there are thousands of graphs, and then take a minute over them."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def fixed_seeds():
    """Draws are the same in each test, whichever ran before."""
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def float64():
    """Keras computes in float64 for the length of a test."""
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before)
    keras.config.set_dtype_policy(before)
