"""Why a trajectory got its label: the moments, neighbours and points of the reference that decided, as facts and as a
picture."""
