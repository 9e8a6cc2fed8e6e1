"""From probabilities to numbers: predictions, folds, metrics, statistics."""
