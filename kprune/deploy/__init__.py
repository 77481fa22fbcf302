"""Smaller models, files and how they compare with what they came from.

Imports `runtime`, `masking`, `scoring` and `graph`.
"""
