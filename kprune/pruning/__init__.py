"""Pruning methods as choices on four axes, and the call that applies them.

`criteria`, `granularity`, `allocation` and `schedules` are the axes, a
`Pruner` composes them, `recipes` has the methods of the literature and
`kept_weights` what becomes of the weights that stay. Imports `runtime`,
`masking`, `scoring`, `graph` and `training`.
"""
