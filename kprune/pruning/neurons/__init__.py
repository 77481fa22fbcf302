"""Prunes whole hidden neurons: sampled, or built and chosen."""
