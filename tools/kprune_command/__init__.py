"""Starts the command `kprune`, quickly and quietly.

`import kprune` imports TensorFlow, which takes seconds and writes lines about
the hardware. This module is outside the package, so that it can list the
commands without delay and suppress those lines. The commands themselves are in
`kprune.cli`.
"""

import contextlib
import importlib
import logging
import os
import shutil
import signal
import sys
import tempfile

COMMANDS = {
    "train": "prunes a model, trains it, and writes the results",
    "sweep": "runs a config over methods, sparsities and seeds",
    "tune": "searches for the best method, sparsity or learning rate",
    "report": "tabulates finished runs, or reports a model, as a page too",
    "prune": "prunes a saved model",
    "sensitivity": "measures a saved model with one layer pruned at a time",
    "compress": "makes a trained model as small as a budget asks",
    "evaluate": "measures a saved model: loss, accuracy and sparsity",
    "export": "exports a saved model: for TensorFlow, LiteRT, ONNX ...",
    "compare": "compares two saved models: sizes and times",
    "tickets": "searches for lottery tickets",
}
_HELP = {"--help", "-help", "-h", "--helpfull", "--helpshort"}


def main(argv=None):
    """Runs the command that `argv` names.

    Args:
        argv: List of strings: the program's name, the command's name, and the
            command's flags. Defaults to `sys.argv`.
    """
    _, *arguments = sys.argv if argv is None else argv
    name = arguments[0] if arguments else "--help"
    if name in {*_HELP, "help"}:
        print(usage())
    elif name in COMMANDS:
        run(f"kprune.cli.{name}", arguments[1:])
    elif name == "--version":
        print(_imported("kprune.cli.flags").environment())
    else:
        lookup = _imported("kprune.runtime.lookup")
        sys.exit(f"Error: {lookup.unknown(name, COMMANDS, 'command')}")


def usage():
    """Returns the text that lists the commands."""
    lines = [f"  kprune {name:11} {what}" for name, what in COMMANDS.items()]
    more = "\nkprune COMMAND --help shows a command's flags, with examples."
    last = "kprune --version shows what it runs with."
    return "\n".join(["kprune prunes Keras models.\n", *lines, more, last])


def run(module, arguments=None):
    """Runs a command's module, as `kprune.cli` defines it.

    Args:
        module: Name of the module.
        arguments: List of flags. Defaults to those of this process.
    """
    with _interruption_in_words():
        _run(module, sys.argv[1:] if arguments is None else arguments)


def _run(module, arguments):
    command = _imported(module)
    flags = _imported("kprune.cli.flags").Flags(arguments)
    command.define(flags)
    if _HELP & set(flags.arguments):
        print(f"{command.__doc__}\nFlags:\n\n{flags.help()}")
        return
    flags.parse()
    with flags.errors_in_words():
        command.main(flags)


@contextlib.contextmanager
def _interruption_in_words():
    """Exits on Ctrl-C with a message instead of a traceback, and with the exit
    code that shells expect."""
    try:
        yield
    except KeyboardInterrupt as stop:
        print(str(stop) or "Interrupted.", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def _imported(module):
    """Imports a module of kprune, after a silent import of TensorFlow."""
    with _held_back():
        import tensorflow as tf

        found = importlib.import_module(module)
        tf.config.list_physical_devices()
    # Saving a model logs half a dozen useless lines.
    logging.getLogger("absl").setLevel(logging.WARNING)
    tf.get_logger().setLevel(logging.WARNING)
    return found


@contextlib.contextmanager
def _held_back():
    """Suppresses standard error, unless the block raises.

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
