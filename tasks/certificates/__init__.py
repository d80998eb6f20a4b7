"""Certificates: writing them, and checking again those whose evidence needs a solver."""
