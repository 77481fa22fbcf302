"""Writes a model as a `.kpz` file."""
