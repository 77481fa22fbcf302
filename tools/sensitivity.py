"""Measures a saved model with one layer pruned at a time.

The same as `kprune sensitivity`; --help shows its flags.
"""

import kprune_command

if __name__ == "__main__":
    kprune_command.run("kprune.cli.sensitivity")
