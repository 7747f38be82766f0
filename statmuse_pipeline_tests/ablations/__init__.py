"""Tests of the ablations."""
