"""A network that rolls on from the edge of a gap: what it sees, how it is trained, and its file with example poses."""
