"""Searches for lottery tickets, and sees whether they are any.

The same as `kprune tickets`; --help shows its flags.
"""

import kprune_command

if __name__ == "__main__":
    kprune_command.run("kprune.cli.tickets")
