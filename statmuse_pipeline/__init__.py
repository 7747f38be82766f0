"""NBA game logs to calibrated over/under probabilities for player props."""
