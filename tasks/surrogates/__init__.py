"""ReLU networks with exact weights that stand in for a circuit where a solver compares."""
