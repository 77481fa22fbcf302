"""Prunes a model at initialization, trains it, and writes the results.

The same as `kprune train`; --help shows its flags.
"""

import kprune_command

if __name__ == "__main__":
    kprune_command.run("kprune.cli.train")
