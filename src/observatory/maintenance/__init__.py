"""Loops that keep the promises of time: relay, due jobs, rescue. Each may run on every node."""
