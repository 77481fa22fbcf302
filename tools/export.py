"""Exports a saved model as a SavedModel that TensorFlow alone can serve.

The same as `kprune export`; --help shows its flags.
"""

import kprune_command

if __name__ == "__main__":
    kprune_command.run("kprune.cli.export")
