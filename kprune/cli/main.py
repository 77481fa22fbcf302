"""The command `kprune`: finds what it is to do, and does it."""

import importlib
import logging
import sys

from absl import logging as absl_logging

from kprune.cli.flags import Flags
from kprune.runtime import lookup
from kprune.runtime.version import __version__

COMMANDS = {
    "train": "prunes a model, trains it, and writes what is to keep",
    "sweep": "runs a config over methods, sparsities and seeds",
    "report": "tabulates finished runs, and draws accuracy over sparsity",
    "prune": "prunes a saved model",
    "evaluate": "measures a saved model: loss, accuracy and sparsity",
    "export": "exports a saved model for TensorFlow to serve",
    "compare": "compares two saved models: sizes and times",
    "tickets": "searches for lottery tickets",
}
_HELP = ("--help", "-help", "-h", "--helpfull", "--helpshort")


def main(argv=None):
    """Runs the command that the arguments name.

    Args:
        argv: Strings as in `sys.argv`, which is the default: the program's
            name, the command's, and its flags.
    """
    _, *arguments = sys.argv if argv is None else argv
    if not arguments or arguments[0] in (*_HELP, "help"):
        print(usage())
    elif arguments[0] in ("--version", "version"):
        print(f"kprune {__version__}")
    elif arguments[0] in COMMANDS:
        run(arguments[0], arguments[1:])
    else:
        sys.exit(f"Error: {lookup.unknown(arguments[0], COMMANDS, 'command')}")


def usage():
    """Returns the text that lists the commands."""
    lines = [f"  kprune {name:9} {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            "kprune prunes Keras models.\n",
            *lines,
            "\nkprune COMMAND --help shows a command's flags, with examples.",
        ]
    )


def run(name, arguments=None):
    """Runs a command.

    Args:
        name: String, one of `COMMANDS`.
        arguments: Strings, its flags. Default to those of this process.
    """
    run_module(importlib.import_module(f"kprune.cli.{name}"), arguments)


def run_module(command, arguments=None):
    """Runs a module that is made like a command (see `kprune.cli`)."""
    flags = Flags(sys.argv[1:] if arguments is None else arguments)
    command.define(flags)
    if any(argument in _HELP for argument in flags.arguments):
        print(f"{command.__doc__}\nflags:\n\n{flags.help()}")
        return
    flags.parse()
    # Saving a model logs half a dozen lines of no use.
    absl_logging.set_verbosity(absl_logging.WARNING)
    logging.getLogger("tensorflow").setLevel("WARNING")
    with flags.errors_in_words():
        command.main(flags)
