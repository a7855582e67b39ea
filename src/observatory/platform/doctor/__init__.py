"""Looks at everything that the observatory needs from its machine, and says what is wrong and what mends it."""
