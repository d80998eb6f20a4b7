"""One module a suite: what is planned, and what a worker process does for one task."""
