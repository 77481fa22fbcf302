"""What the binaries share: a quiet start, `--config`, errors in words.

Import it before TensorFlow and kprune.
"""

import contextlib
import glob
import os
import shutil
import sys
import tempfile

from absl import app, flags, logging
from ml_collections.config_flags import config_flags


@contextlib.contextmanager
def _held_back():
    """Holds back what is written to standard error, unless the block fails.

    TensorFlow's C++ code writes lines about the hardware on import, which no
    environment variable turns off.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    real = os.dup(2)
    with tempfile.TemporaryFile("w+") as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(real, 2)
            file.seek(0)
            shutil.copyfileobj(file, sys.stderr)
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)


with _held_back():
    import tensorflow as tf

    import kprune
    from kprune import experiment
    from kprune.runtime import lookup

    tf.config.list_physical_devices()

# What is defined here counts as the binary's own, which `--help` shows.
flags.disclaim_key_flags()

# Saving a model logs half a dozen lines of no use.
logging.set_verbosity(logging.WARNING)
tf.get_logger().setLevel("WARNING")


class _ConfigParser(config_flags.ConfigFileFlagParser):
    """Fills in kprune's defaults, so that each of them can be overridden."""

    def parse(self, path):
        file = path.split(":")[0]
        if not os.path.isfile(file):
            there = glob.glob(os.path.join(os.path.dirname(file), "*.py"))
            raise ValueError(lookup.unknown(file, there, "config"))
        return experiment.complete(super().parse(path))


def define_config():
    """Defines the flag `--config` and returns its holder."""
    holder = config_flags.DEFINE_config_file(
        "config",
        None,
        "What to run: configs/NAME.py or configs/NAME.py:ARGUMENT. Any value "
        "in it is replaced by --config.KEY=VALUE, such as "
        "--config.training.learning_rate=1e-4.",
        # New keys are options of a model or a method. `experiment.complete`
        # answers the others.
        lock_config=False,
        accept_new_attributes=True,
    )
    flags.FLAGS["config"].parser = _ConfigParser("config", lock_config=False)
    _require("config", "Expected --config=configs/NAME.py")
    return holder


def define_workdir(help_string):
    """Defines the flag `--workdir` and returns its holder."""
    holder = flags.DEFINE_string("workdir", None, help_string)
    _require("workdir", "Expected --workdir=DIRECTORY")
    return holder


def define_model():
    """Defines the flags `--model` and `--workdir`, of which one is expected.

    Returns:
        The holders of both.
    """
    model = flags.DEFINE_string("model", None, "File to read, NAME.keras.")
    workdir = flags.DEFINE_string(
        "workdir",
        None,
        "Instead: directory of a run that tools/train.py wrote.",
    )
    flags.register_multi_flags_validator(
        ["model", "workdir"],
        lambda values: (values["model"] is None) != (values["workdir"] is None),
        "Expected --model=NAME.keras or --workdir=DIRECTORY",
    )
    return model, workdir


def define_data_dir():
    """Defines the flag `--data_dir` and returns its holder."""
    return flags.DEFINE_string(
        "data_dir",
        None,
        "Where tensorflow-datasets keeps its files. Defaults to "
        "$TFDS_DATA_DIR, or to ~/tensorflow_datasets.",
    )


def _require(name, message):
    flags.register_validator(name, lambda value: value is not None, message)


def parse(argv):
    """Parses the flags, for `app.run(flags_parser=)`."""
    try:
        return app.parse_flags_with_usage(argv)
    except (AttributeError, KeyError) as error:
        # What ml_collections raises of a section that is not there.
        sys.exit(f"Unknown section of --config: {error.args[0]}")


@contextlib.contextmanager
def errors_in_words():
    """Ends the program with the text of an error that the user can mend.

    `--verbosity=1` shows where it was raised.
    """
    try:
        yield
    except (ValueError, RuntimeError, OSError) as error:
        if flags.FLAGS.verbosity > 0:
            raise
        sys.exit(f"Error: {error}")


def environment():
    """Returns a line on what the program runs with."""
    found = tf.config.list_physical_devices("GPU")
    gpus = f"{len(found)} GPU" if found else "no GPU"
    return (
        f"kprune {kprune.__version__}, TensorFlow {tf.__version__}, "
        f"{os.cpu_count()} CPU cores, {gpus}"
    )
