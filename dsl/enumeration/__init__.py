"""Search from the leaves up: the bank of terms, its memory, its order."""
