"""Scores, reliability diagrams and the metric gate."""
