"""A notification as the agent makes one."""

from __future__ import annotations

from typing import Any

from mailwatch.notification import Notification

BEGAN, AT = 1_795_590_000.0, 1_795_590_600.0


def alarm(**changes: Any) -> Notification:
    """One, with these changes."""
    values: dict[str, Any] = {
        "key": "relay-failing/relay-auth-failed/smtp.example.net/1795590000",
        "kind": "first",
        "rule": "relay-failing",
        "cause": "relay-auth-failed",
        "scope": "relay",
        "severity": "page",
        "host": "mx1.example.com",
        "subject": "[mx1] all mail via smtp.example.net is failing: password refused (since 09:12)",
        "text": "Since 09:12 all 214 attempts failed.\n\nNext: change the password … in sasl_passwd.\n",
        "html": "<p>Since 09:12 all <b>214</b> attempts failed.</p>",
        "began_at": BEGAN,
        "ended_at": None,
        "at": AT,
        "runbook": "https://runbooks.example/relay",
    }
    return Notification(**values | changes)
