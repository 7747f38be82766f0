"""Leak-free features, each tagged with its information level."""
