"""Preferred inputs by activation maximization: equation (1), read from targets to result."""
