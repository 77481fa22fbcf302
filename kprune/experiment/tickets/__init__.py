"""Ticket searches as runs, each with its baselines.

trainings  trains the search and the baselines of a seed
records    stores the results of a seed in a file
tables     tabulates the results of all seeds, with verdicts and a plot
"""
