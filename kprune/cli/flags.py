"""Defines, parses and shows the flags of one call of a command.

Flags belong to the call, not to the process, so that several commands can run
in one process.
"""

import contextlib
import os
import re
import sys

import tensorflow as tf
from absl import flags as absl_flags
from ml_collections import config_flags

from kprune.cli import configs
from kprune.runtime import lookup
from kprune.runtime.version import __version__

# The help of `--track`.
TRACK = "Trackers to report to: tensorboard, wandb, mlflow."


class Flags(absl_flags.FlagValues):
    """The flags of one call of a command, with their values as attributes.

    Args:
        arguments: Strings, the arguments after the command's name.

    Example:

    >>> flags = Flags(["--sparsity=0.9"])
    >>> flags.float("sparsity", None, "Share of the weights to remove.")
    >>> flags.parse()
    >>> flags.sparsity
    0.9
    """

    def __init__(self, arguments=()):
        super().__init__()
        # absl's `__setattr__` would set the value of a flag.
        self.__dict__["arguments"] = list(arguments)
        self.__dict__["_positional"] = {}
        self.integer("verbosity", 0, "1 shows the traceback of an error.")

    def string(self, name, default, text):
        """Defines a flag that takes a string."""
        absl_flags.DEFINE_string(name, default, text, flag_values=self)

    def integer(self, name, default, text, least=None):
        """Defines a flag that takes an integer, `least` or more."""
        absl_flags.DEFINE_integer(
            name, default, text, lower_bound=least, flag_values=self
        )

    def float(self, name, default, text):
        """Defines a flag that takes a number."""
        absl_flags.DEFINE_float(name, default, text, flag_values=self)

    def boolean(self, name, default, text):
        """Defines a boolean flag, `--name` or `--noname`."""
        absl_flags.DEFINE_boolean(name, default, text, flag_values=self)

    def list(self, name, default, text):
        """Defines a flag that takes strings, separated by commas."""
        absl_flags.DEFINE_list(name, default, text, flag_values=self)

    def require(self, name, value):
        """Makes a flag required; the error asks for `value`: `"DIRECTORY"`."""
        absl_flags.register_validator(
            name,
            lambda found: found not in (None, []),
            f"Expected --{name}={value}",
            flag_values=self,
        )

    def positional(self, name, value, text):
        """Defines a required flag whose value may also be given by position.

        `a.keras` stands for `--before=a.keras`, in the order of definition. The
        error asks for `value`, such as `"NAME.keras"`.
        """
        self.string(name, None, text)
        self._positional[name] = value

    def allow_one(self, names, expected, required=False):
        """Makes flags exclusive; if `required`, one of them must be given.

        The error asks for `expected`, such as `"one of --a and --b"`.
        """

        def fit(values):
            given = sum(value is not None for value in values.values())
            return given == 1 or (given == 0 and not required)

        absl_flags.register_multi_flags_validator(
            names, fit, f"Expected {expected}", flag_values=self
        )

    def parse(self):
        """Parses the arguments, or exits with a sentence on the invalid one."""
        try:
            _, *rest = self(["kprune", *self.arguments])
        except absl_flags.UnrecognizedFlagError as error:
            names = [name for name in self if "." not in name]
            text = lookup.unknown(error.flagname, names, "flag")
            sys.exit(f"Error: {text}")
        except (absl_flags.Error, ValueError) as error:
            # absl prefixes the error of a missing flag with "flag --NAME=None".
            text = re.sub(r"(?m)^flags? [^:]*=None: ", "", str(error))
            sys.exit(f"Error: {text}")
        except (AttributeError, KeyError) as error:
            # ml_collections raises these for an unknown section.
            sys.exit(f"Error: Unknown section of --config: {error.args[0]}")
        for name, value in self._positional.items():
            if self[name].value is None and rest:
                setattr(self, name, rest.pop(0))
            if self[name].value is None:
                sys.exit(f"Error: Expected --{name}={value}")
        if rest:
            sys.exit(f"Error: Unexpected argument: {rest[0]!r}.")

    def help(self):
        """Returns the names of the flags and their help."""
        text = self.get_help(include_special_flags=False)
        # The lines that are not indented name modules.
        lines = [line for line in text.splitlines() if line.startswith("  ")]
        return "\n".join(x for x in lines if x != "    (default: 'None')")

    @contextlib.contextmanager
    def errors_in_words(self):
        """Exits with the message of an error that the user can mend.

        With `--verbosity=1` the error is raised, with its traceback.
        """
        try:
            yield
        except (ValueError, RuntimeError, OSError) as error:
            if self.verbosity > 0:
                raise
            sys.exit(f"Error: {error}")


class _ConfigParser(absl_flags.ArgumentParser):
    """A parser that fills in the defaults, so that flags can override them."""

    def parse(self, text):
        return configs.load(text)

    def flag_type(self):
        return "config"


def define_config(flags):
    """Defines `--config`, a complete config, and `--config.KEY=VALUE`."""
    config_flags.DEFINE_config_file(
        "config",
        None,
        "What to run: the name of a config that kprune ships, as in "
        "quickstart or force:cifar10_vgg19, or a file, as in "
        "path/NAME.py:ARGUMENT. Any value in it is replaced by "
        "--config.KEY=VALUE, such as --config.training.learning_rate=1e-4.",
        # New keys are options of a model or a method. `experiment.complete`
        # refuses others.
        lock_config=False,
        accept_new_attributes=True,
        flag_values=flags,
        sys_argv=flags.arguments,
    )
    flags["config"].parser = _ConfigParser()
    flags.require("config", f"NAME, one of {', '.join(configs.names())}")


def define_model(flags):
    """Defines `--model` and `--workdir`, one of which is required."""
    flags.string("model", None, "File to read, NAME.keras.")
    text = "Instead: directory of a run of kprune train."
    flags.string("workdir", None, text)
    expected = "--model=NAME.keras or --workdir=DIRECTORY"
    flags.allow_one(["model", "workdir"], expected, required=True)


def define_data_dir(flags):
    """Defines `--data_dir`."""
    text = "Where tensorflow-datasets keeps its files. Defaults to "
    text += "$TFDS_DATA_DIR, or to ~/tensorflow_datasets."
    flags.string("data_dir", None, text)


def environment():
    """Returns a line with the versions and hardware that the program uses."""
    found = tf.config.list_physical_devices("GPU")
    gpus = f"{len(found)} GPU" if found else "no GPU"
    return (
        f"kprune {__version__}, TensorFlow {tf.__version__}, "
        f"{os.cpu_count()} CPU cores, {gpus}"
    )
