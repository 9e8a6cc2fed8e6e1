"""Micro-expression recognition from a folder of recordings to an honest, cross-validated table."""

__version__ = "0.1.0"
