"""The predecessor's network (Clouthier et al. 2021): what it sees and how it is rebuilt."""
