"""Labels corrected by a person: the model of editing, its journal, and the server of the page."""
