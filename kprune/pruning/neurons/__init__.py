"""Whole hidden neurons: drawn by importance, or built and chosen from."""
