"""Texture features: from a pack to probabilities."""
