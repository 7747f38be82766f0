"""Word of failures, over real HTTP and SMTP."""

from __future__ import annotations

import pytest

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.notifications import notify
from statmuse_pipeline.settings import Settings, load_settings
from statmuse_pipeline_tests.local_services import mail_server, webhook


def settings(**changes: str) -> Settings:
    return load_settings(**{"STATMUSE_WEBHOOK_URL": "", "STATMUSE_SMTP_URL": "", "STATMUSE_MAIL_TO": "", **changes})


def test_it_is_posted_as_text_to_the_webhook() -> None:
    with webhook() as (url, posted):
        assert notify(settings(STATMUSE_WEBHOOK_URL=url), "nightly failed", "why") == ["webhook"]
    assert posted == [{"text": "nightly failed\nwhy"}]


def test_it_is_mailed_after_logging_in() -> None:
    with mail_server() as (port, accepted):
        url = f"smtp://me:secret@127.0.0.1:{port}"
        told = notify(settings(STATMUSE_SMTP_URL=url, STATMUSE_MAIL_TO="ops@example.org"), "nightly failed", "Jokić")
    assert told == ["mail"]
    assert "Subject: nightly failed" in accepted[0]
    assert "To: ops@example.org" in accepted[0]


def test_with_nothing_configured_nobody_is_told() -> None:
    assert notify(settings(), "nightly failed", "why") == []


def test_one_way_that_is_closed_does_not_stop_the_other_and_no_secret_is_told() -> None:
    with webhook(status=500) as (url, posted), mail_server() as (port, accepted):
        secret = f"{url}?token=hidden"
        configured = settings(
            STATMUSE_WEBHOOK_URL=secret, STATMUSE_SMTP_URL=f"smtp://127.0.0.1:{port}", STATMUSE_MAIL_TO="a@b.c"
        )
        with pytest.raises(PipelineError, match="webhook: HTTPError") as caught:
            notify(configured, "nightly failed", "why")
    assert len(posted) == len(accepted) == 1
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("url", ["smtp://me:wrong@127.0.0.1:{port}", "http://127.0.0.1:{port}", "smtp://127.0.0.1:1"])
def test_a_mail_server_that_does_not_take_it_is_an_error(url: str) -> None:
    with mail_server() as (port, accepted):
        configured = settings(STATMUSE_SMTP_URL=url.format(port=port), STATMUSE_MAIL_TO="a@b.c")
        with pytest.raises(PipelineError, match="did not get through"):
            notify(configured, "nightly failed", "why")
    assert accepted == []
