"""What a classifier is given: the clips of packs with their labels, and their pictures."""
