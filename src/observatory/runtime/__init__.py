"""The composition root: settings, wiring, supervision."""
