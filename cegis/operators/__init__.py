"""The three readings of an operator, and whether they agree."""
