"""Networks learn here: what they learn from, the four trainers, and the search for good settings."""
