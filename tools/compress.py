"""Compresses a trained model to a target within an accuracy budget.

The same as `kprune compress`; --help shows its flags.
"""

import kprune_command

if __name__ == "__main__":
    kprune_command.run("kprune.cli.compress")
