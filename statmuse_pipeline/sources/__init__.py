"""Where game logs and quotes come from."""
