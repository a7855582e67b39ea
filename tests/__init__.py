"""The proofs. `docs/TESTING.md` says which folder proves what."""
