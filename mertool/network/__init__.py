"""The network: from a pack to probabilities."""
