"""Searches for the best method, sparsity, schedule or learning rate of a run.

space         the space of a search
trials        one trial: a run that reports its metrics after each epoch
ray_search    the search by Ray Tune, which stops poor trials early (ASHA)
keras_search  the search by KerasTuner, one trial after the other
searching     `tune`, and its table of results
"""
