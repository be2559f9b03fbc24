"""Marker sets known by name: a readable file each, and the catalogue that finds them."""
