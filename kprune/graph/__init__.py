"""Which channels go together through a model, and what they cost.

Imports `runtime` and `masking`.
"""
