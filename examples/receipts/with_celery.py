"""Receipts with Celery."""

from pathlib import Path

from celery import Celery

from examples.receipts import mail

app = Celery("receipts", broker="amqp://localhost", backend="redis://localhost")
app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True, task_track_started=True)


@app.task(
    bind=True,
    autoretry_for=(mail.MailServerAway,),
    retry_backoff=2,
    retry_backoff_max=600,
    retry_jitter=True,
    max_retries=4,
    time_limit=30,
)
def send_receipt(self, folder, order_id, text="thank you"):
    was_sent = mail.send(Path(folder), order_id, text, key=f"receipt-{order_id}")
    return {"order": order_id, "sent": was_sent, "attempt": self.request.retries + 1}


def check_out(folder, order_ids):
    """Called by the shop's web pages."""
    results = [send_receipt.delay(str(folder), order_id) for order_id in order_ids]
    reminder = send_receipt.apply_async(
        args=(str(folder), 0), kwargs={"text": "come back soon"}, countdown=3600, queue="reminders", priority=9
    )
    return [result.get(timeout=60) for result in results], reminder.id
