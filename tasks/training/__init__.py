"""Training and pruning of the shipped circuits; the only room that needs torch."""
