"""Runs a config over methods, sparsities and seeds; skips finished runs.

The same as `kprune sweep`; --help shows its flags.
"""

import kprune_command

if __name__ == "__main__":
    kprune_command.run("kprune.cli.sweep")
