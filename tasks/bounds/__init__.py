"""Rigorous bounds on what a network computes: balls, zonotopes, and the abstract interpreter over them."""
