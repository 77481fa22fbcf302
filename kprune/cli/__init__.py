"""The commands of `kprune`: train, sweep, report, prune, evaluate and others.

A command is a module `kprune/cli/NAME.py` that `kprune_command.COMMANDS` lists.
Its docstring is its help. `define(flags)` defines its flags on a
`kprune.cli.flags.Flags`; `main(flags)` runs it, and reads their values as
`flags.NAME`. If `main` raises a `ValueError`, `RuntimeError` or `OSError`, its
message is printed and the process exits with code 1.

A binary of `tools/` runs such a module, of any package, in one line:
`kprune_command.run("studies.ossum.run")`. It must import nothing else before,
as `kprune_command` imports TensorFlow quietly.
"""
