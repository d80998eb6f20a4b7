"""Other tools and bare solvers, and the plainest methods, each asked the same as this project."""
