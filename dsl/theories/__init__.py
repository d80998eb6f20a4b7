"""Operators of each theory, with their three readings."""
