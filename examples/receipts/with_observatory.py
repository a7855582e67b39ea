"""Receipts with the Observatory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from examples.receipts import mail
from observatory import JobContext, Observatory, RetryPolicy

app = Observatory()


@app.job("receipt.send", max_attempts=5, timeout_s=30, runs_in="process", retry=RetryPolicy(base_s=2, cap_s=600))
def send_receipt(ctx: JobContext, *, folder: Path, order_id: int, text: str = "thank you") -> dict[str, Any]:
    was_sent = mail.send(folder, order_id, text, key=f"receipt-{order_id}")
    return {"order": order_id, "sent": was_sent, "attempt": ctx.attempt}


def check_out(folder: Path, order_ids: Sequence[int]) -> tuple[list[dict[str, Any]], str]:
    """Called by the shop's web pages."""
    handles = [app.submit(send_receipt, folder=folder, order_id=order_id) for order_id in order_ids]
    reminder = app.options(delay_s=3600, queue="reminders", priority=9).submit(
        send_receipt, folder=folder, order_id=0, text="come back soon"
    )
    return [handle.result(timeout_s=60) for handle in handles], reminder.id
