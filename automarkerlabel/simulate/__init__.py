"""Labelled trials out of nothing, and unlabelled ones, with the truth beside them, out of labelled ones."""
