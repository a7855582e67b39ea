"""The services, each built by itself from the ports, the settings and what its process has in common."""
