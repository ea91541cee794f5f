"""What a webhook is sent: the body that its dialect wants, and the headers that sign it. Pure."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from standardwebhooks import Webhook

from shared.hookdeliveries import Claim
from shared.hooks import message_id


def envelope(claim: Claim, data: Any) -> dict[str, Any]:
    """Standard Webhooks' own form: what happened, when, and what it is about."""
    return {"type": claim.event, "timestamp": claim.at.isoformat(), "data": data}


def written(body: Any) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def signed(claim: Claim, text: str, secrets: Sequence[str], now: datetime) -> Mapping[str, str]:
    """One signature for each secret: whoever still holds the old one of two can verify it too."""
    name = message_id(claim.id)
    signatures = [Webhook(secret).sign(name, now, text) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
