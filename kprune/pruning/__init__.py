"""Pruning methods as choices on four axes, and the call that applies them.

`criteria`, `granularity`, `allocation` and `schedules` are the axes, a
`Pruner` composes them, `recipes` has the methods of the literature and
`kept_weights` the rules that update kept weights. Imports `runtime`,
`masking`, `scoring`, `graph` and `training`.
"""
