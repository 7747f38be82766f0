"""Artefacts on disk and their metadata in the warehouse."""
