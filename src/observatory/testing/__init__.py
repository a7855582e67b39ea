"""What tests of this project, and of those who build on it, need: it ships with the package."""
