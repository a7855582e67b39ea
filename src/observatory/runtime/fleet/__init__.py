"""All roles of one host, each in a process of its own under one that keeps them running."""
