"""Kinds of attention: multi-head, and those that choose, score or nest."""
