"""Search from the goal down: decision trees, inverses, constants, strings."""
