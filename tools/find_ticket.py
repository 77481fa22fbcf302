"""Searches for lottery tickets, and sees whether they are any.

  python tools/find_ticket.py --config=configs/lottery_ticket.py \\
      --runs=runs/tickets

The same as `kprune tickets`; --help shows its flags.
"""

import kprune_command

if __name__ == "__main__":
    kprune_command.run("kprune.cli.tickets")
