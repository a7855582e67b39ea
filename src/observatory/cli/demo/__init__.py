"""`demo`: a story that is told with real jobs, and that says whether it came out as told."""
