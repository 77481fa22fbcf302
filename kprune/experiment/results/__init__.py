"""Results of finished runs: tables, verdicts and figures.

runs      the runs in some directories, read back
groups    those that differ in nothing but the seed
sections  groups, arranged by data set and network
report    sections as Markdown, as CSV and as a plot
overlaps  how far the masks of runs agree
study     variants and seeds of an experiment, each computed once
plots     all that is drawn
"""
