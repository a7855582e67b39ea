"""Checksums of every file of a folder, one job per file, written as `sha256sum` writes them."""
