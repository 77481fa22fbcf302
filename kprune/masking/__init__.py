"""Masks on a model and off again: wrappers, copies, weights by name.

Imports `runtime` alone.
"""
