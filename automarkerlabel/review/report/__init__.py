"""A trial and its labelling as one HTML page that works offline; see `view`, `points` and `page`."""
