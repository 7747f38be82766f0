"""The games of a night: who may play, what was known and how old it is, and every line with its probabilities."""
