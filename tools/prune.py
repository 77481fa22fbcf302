"""Prunes a saved Keras model: a .keras file in, a .keras file out.

The same as `kprune prune`; --help shows its flags.
"""

import kprune_command

if __name__ == "__main__":
    kprune_command.run("kprune.cli.prune")
