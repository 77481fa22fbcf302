"""Ticket searches as runs, each with its baselines.

trainings  what is trained for a seed
records    its results in a file
tables     the results of all seeds: a table, verdicts, a plot
"""
