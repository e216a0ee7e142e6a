"""Measured comparisons, each a module with a paragraph in README.md."""
