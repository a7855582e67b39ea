"""What the drivers of one engine share: the SQLite file with its one writer."""
