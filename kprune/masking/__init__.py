"""Puts masks on a model and removes them: wrappers, copies, weights.

Imports `runtime` alone.
"""
