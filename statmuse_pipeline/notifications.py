"""Word of what went wrong: posted to a webhook, sent by e-mail, or both."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import requests

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.settings import Settings

SECONDS = 15.0
"""How long a webhook or mail server may take."""


def notify(settings: Settings, subject: str, text: str) -> list[str]:
    """Tells everyone who is configured; all are tried before an error is raised.

    Returns:
        Where word was sent: `webhook`, `mail`, or nothing where nothing is configured.

    Raises:
        PipelineError: when one of them did not take it.
    """
    ways = {
        "webhook": (settings.webhook_url, _post),
        "mail": (settings.smtp_url and settings.mail_to, _mail),
    }
    sent, failed = [], []
    for name, (configured, send) in ways.items():
        if not configured:
            continue
        try:
            send(settings, subject, text)
            sent.append(name)
        except (OSError, smtplib.SMTPException, requests.RequestException, ValueError) as error:
            # The addresses may hold secrets: neither they nor messages that repeat them are told.
            failed.append(f"{name}: {type(error).__name__}")
    if failed:
        raise PipelineError(f"Word of {subject!r} did not get through ({', '.join(failed)}): check its settings.")
    return sent


def _post(settings: Settings, subject: str, text: str) -> None:
    assert settings.webhook_url is not None
    requests.post(settings.webhook_url, json={"text": f"{subject}\n{text}"}, timeout=SECONDS).raise_for_status()


def _mail(settings: Settings, subject: str, text: str) -> None:
    server = urlsplit(str(settings.smtp_url))
    if server.scheme not in ("smtp", "smtps") or not server.hostname:
        raise ValueError("no mail server")
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, settings.mail_from, str(settings.mail_to)
    message.set_content(text)
    kind = smtplib.SMTP_SSL if server.scheme == "smtps" else smtplib.SMTP
    with kind(server.hostname, server.port or 0, timeout=SECONDS) as connection:
        connection.ehlo()
        if server.scheme == "smtp" and connection.has_extn("starttls"):
            connection.starttls()
        if server.username:
            connection.login(unquote(server.username), unquote(server.password or ""))
        connection.send_message(message)
