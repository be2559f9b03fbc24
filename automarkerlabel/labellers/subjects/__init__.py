"""Several people in one recording: whose points are whose, then each by himself."""
