"""The command `kprune`: train, sweep, report, prune, evaluate and others."""
