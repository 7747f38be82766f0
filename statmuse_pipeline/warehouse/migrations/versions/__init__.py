"""One module a revision, each complete in itself."""
