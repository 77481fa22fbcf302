"""Searches for lottery tickets and tests them against baselines.

The same as `kprune tickets`; --help shows its flags.
"""

import kprune_command

if __name__ == "__main__":
    kprune_command.run("kprune.cli.tickets")
