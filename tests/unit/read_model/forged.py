"""A cursor as somebody makes it who read how ours are made."""

import base64
import hashlib


def forged_cursor(place: int, *, of: str) -> str:
    """Any place, with a check sum that is right."""
    known = b"\x01" + place.to_bytes(8, "big")
    check_sum = hashlib.blake2s(known + of.encode(), digest_size=8, person=b"cursor").digest()
    return base64.urlsafe_b64encode(known + check_sum).rstrip(b"=").decode()
