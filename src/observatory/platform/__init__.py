"""The machine around the observatory: what it offers and what it lacks."""
