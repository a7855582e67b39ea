"""The text form of a producer, for engines with one column for it."""

from observatory.core.event import Producer

_known: dict[str, Producer] = {}
_KNOWN_MAX = 1_000


def text_of_producer(producer: Producer) -> str:
    """As `service/instance/version`."""
    return f"{producer.service}/{producer.instance_id}/{producer.version}"


def producer_of_text(text: str) -> Producer:
    """
    The same object for the same text, as far as there are few.

    Raises:
        ValueError: Not a text of `text_of_producer`.
    """
    known = _known.get(text)
    if known is None:
        service, instance_id, version = text.split("/", 2)
        known = Producer(service=service, instance_id=instance_id, version=version)
        if len(_known) >= _KNOWN_MAX:
            _known.clear()
        _known[text] = known
    return known
