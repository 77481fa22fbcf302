"""A search over what a run is: methods, sparsities, schedules, learning rates.

space         what is searched
trials        one trial: a run, and what it reports after each epoch
ray_search    by Ray Tune, which ends trials early that are behind (ASHA)
keras_search  by KerasTuner, one trial after the other
searching     the search as a call, and its table
"""
