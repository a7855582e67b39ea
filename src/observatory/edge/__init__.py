"""What every HTTP service shares: the door in front of it, problems, access, probes, metrics and documents.

Only `http.py` knows the web framework; everything else speaks ASGI or is plain.
"""
