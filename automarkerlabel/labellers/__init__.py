"""The predecessor (Clouthier et al. 2021): its files, its preparation, its network, and going on with its training."""
