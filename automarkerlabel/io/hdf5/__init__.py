"""HDF5 files: trials and attention weights of our own, and foreign ones behind a guard."""
