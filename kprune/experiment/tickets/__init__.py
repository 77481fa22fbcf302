"""Searches for lottery tickets as runs: each with the baselines it is to beat.

trainings  what is trained for a seed
records    its results in a file
tables     the results of all seeds: a table, verdicts, a plot
"""
