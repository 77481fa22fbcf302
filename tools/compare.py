"""Compares the size and speed of two models or files.

The same as `kprune compare`; --help shows its flags.
"""

import kprune_command

if __name__ == "__main__":
    kprune_command.run("kprune.cli.compare")
