"""Gaps of labelled markers filled, on request alone: how, how well on this very trial, and what stays open."""
