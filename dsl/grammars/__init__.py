"""Grammars that ship: motifs of circuits, token positions, the defaults of each theory."""
