"""The commands of `kprune`: train, sweep, report, prune, evaluate and others.

A command is a module `kprune/cli/NAME.py` that `kprune_command.COMMANDS` lists.
Its docstring is its help; `define(flags)` defines its flags on a
`kprune.cli.flags.Flags`, and `main(flags)`, to which their values are
`flags.NAME`, does it. What that raises as a `ValueError`, `RuntimeError` or
`OSError` is printed as a sentence, and the process ends with exit code 1.

A binary of `tools/` runs such a module, here or elsewhere, in one line:
`kprune_command.run("studies.ossum.run")`. It imports nothing else before, for
`kprune_command` imports TensorFlow quietly.
"""
