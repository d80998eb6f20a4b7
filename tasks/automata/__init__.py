"""Finite automata and what is counted along them.

Moore machines, regular constraints, Parikh vectors, trellises, states of programs.
"""
