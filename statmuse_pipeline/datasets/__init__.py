"""Time-split, versioned datasets."""
