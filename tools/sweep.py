"""Runs a config over methods, sparsities and seeds, as far as it is not done.

The same as `kprune sweep`; --help shows its flags.
"""

import kprune_command

if __name__ == "__main__":
    kprune_command.run("kprune.cli.sweep")
