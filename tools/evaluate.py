"""Measures a saved model: loss, accuracy and sparsity on test data.

The same as `kprune evaluate`; --help shows its flags.
"""

import kprune_command

if __name__ == "__main__":
    kprune_command.run("kprune.cli.evaluate")
