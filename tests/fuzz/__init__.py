"""Fuzzing of every reader: see docs/hardening.md."""
