"""Clips to a pack: faces, alignment, frames."""
