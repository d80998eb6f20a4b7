"""Searchers for functions that satisfy a formula, their portfolio, and the witnesses of what they answer."""
