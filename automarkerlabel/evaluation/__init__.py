"""How good labels are: against a truth, by their confidence, and by geometry alone (`audit`)."""
