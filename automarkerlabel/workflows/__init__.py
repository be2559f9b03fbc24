"""Trials and models for other programs."""
