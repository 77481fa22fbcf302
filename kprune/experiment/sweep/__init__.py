"""Runs many cells of one config on worker processes.

grid     the cells: a config over methods, sparsities and seeds
pool     worker processes that share them out
worker   such a process

Which process runs a cell, on all hosts that share a directory, is told by the
lock of its directory (`kprune.runtime.locks`).
"""
