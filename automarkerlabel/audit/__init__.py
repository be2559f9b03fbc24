"""Labels that somebody gave, judged by geometry: distances, paths, sides, and a pose of the same set."""
