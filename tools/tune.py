"""Searches for the best method, sparsity, schedule or learning rate.

The same as `kprune tune`; --help shows its flags.
"""

import kprune_command

if __name__ == "__main__":
    kprune_command.run("kprune.cli.tune")
