"""What the jobs are about, free of any job system: a mail server that is a folder, and is sometimes away."""

from pathlib import Path


class MailServerAway(ConnectionError):
    """The folder holds a file named `away`."""


def send(folder: Path, order_id: int, text: str, *, key: str) -> bool:
    """
    Send the receipt of an order unless one was sent under *key* already; True when this call sent it.

    A job may run twice, whatever runs it. The key lets the mail server notice.
    """
    if (folder / "away").exists():
        raise MailServerAway("the mail server does not answer")
    sent = folder / f"{key}.txt"
    if sent.exists():
        return False
    sent.write_text(f"order {order_id}: {text}\n", encoding="utf-8")
    return True
