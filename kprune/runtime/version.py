"""The version of kprune, which `setup.py` reads too."""

__version__ = "0.1.0"
