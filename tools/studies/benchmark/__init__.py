"""What kprune costs. A package, as tools/benchmark.py would hide a folder."""
