"""Small problems, solved and proved before anything large is imported."""
