"""The version of kprune, which `setup.py` also reads."""

__version__ = "0.1.0"
