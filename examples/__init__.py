"""Small real applications of jobs."""
