"""Finds which channels go together, and what they cost.

Imports `runtime` and `masking`.
"""
