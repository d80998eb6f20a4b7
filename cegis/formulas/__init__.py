"""Formula specifications: what a solution is, where it is sampled, and how it is refuted."""
