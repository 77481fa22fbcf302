"""`kprune.compress`: a smaller model within an accuracy budget.

    goals        the target, and the pruning that reaches it
    search       the sequence of sizes to try
    candidates   prunes, fine-tunes and measures one size
    quality      measures the validation metric
    costs        measures size and time
    store        the directory, from which a killed search resumes

It imports `analysis`, `deploy`, `pruning`, `training` and below.
"""
