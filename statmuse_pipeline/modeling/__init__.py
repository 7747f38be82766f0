"""Pooled priors, per-player members and ensembles, predictive distributions."""
