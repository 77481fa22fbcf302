"""Runs many cells of one config on worker processes.

grid       the cells: a config over methods, sparsities and seeds
running    a whole sweep from a program
executors  where cells run, by name
pool       on this machine: worker processes that share them out
worker     such a process
slurm      as jobs of Slurm: slurm_job is what each does, slurm_commands what
           Slurm says of them
ray_tasks  as tasks of Ray
remote     what those two share
resources  how cores and GPUs are shared out

Which process runs a cell, on all hosts that share a directory, is told by the
lock of its directory (`kprune.runtime.locks`).
"""
