"""The body that marker sets are drawn on: segments, sizes and landmarks."""
