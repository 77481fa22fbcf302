"""Results of finished runs: tables, verdicts and figures.

runs         the runs in some directories, read back
groups       runs that differ in the seed only
sections     groups, arranged by data set and network
baselines    the shuffled baselines that a section lacks
report       sections as Markdown, as CSV and as a plot
page         sections as one page of HTML
comparisons  tests of the differences between methods
frame        runs as a pandas DataFrame
overlaps     how far the masks of runs agree
study        variants and seeds of an experiment, each computed once
"""
