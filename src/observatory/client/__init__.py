"""The HTTP client behind every surface. Importing this package loads nothing; name the module you need."""
