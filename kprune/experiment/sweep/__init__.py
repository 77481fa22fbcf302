"""Many runs of one config: which there are, and processes that run them.

grid     the cells: a config over methods, sparsities and seeds
pool     worker processes that share them out
worker   such a process
claims   which process runs a cell, on all hosts that share a directory
"""
