"""An application whose import does not come back."""

raise SystemExit(5)
