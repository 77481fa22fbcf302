"""Runs many cells of one config on worker processes.

grid       the cells: a config over methods, sparsities and seeds
running    `run_sweep`, a whole sweep as a call
executors  the executors by name
pool       worker processes on this machine
worker     such a process
slurm      jobs of Slurm: slurm_job is one of them, slurm_commands queries them
ray_tasks  tasks of Ray
remote     the common part of Slurm and Ray
resources  divides cores and GPUs among the cells

The lock of a cell's directory (`kprune.runtime.locks`) decides which process
runs it, on all hosts that share the directory.
"""
