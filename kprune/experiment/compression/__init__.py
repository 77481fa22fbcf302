"""`kprune.compress`: a smaller model within an accuracy budget.

    goals        what is to be reached, and what is pruned for it
    search       which sizes are tried, one after the other
    candidates   one size: pruned, fine-tuned, measured
    quality      the metric on validation data, costs what a model takes
    store        the directory, from which a killed search goes on

Imports `analysis`, `deploy`, `pruning`, `training` and what they import.
"""
