"""Shrinks, exports and compares models.

Imports `runtime`, `masking`, `scoring` and `graph`.
"""
