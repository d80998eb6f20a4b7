"""Constrained Horn clauses and the invariants that solve them."""
