"""The command line: parse, call `client` or `runtime`, print. Importing this package loads nothing."""
