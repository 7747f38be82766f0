"""Isotonic maps from forecast to observed probabilities."""
