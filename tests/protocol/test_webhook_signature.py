"""Signatures of webhooks, against the example of Standard Webhooks and altered requests."""

from __future__ import annotations

import base64

import pytest

from chatws.protocol.webhook_signature import BadSecret, BadSignature, WebhookSigner, new_secret

# The example of the specification's reference libraries: id, time, body, secret and signature.
EVENT_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
UNIX_S = 1_614_265_330
BODY = b'{"test": 2432232314}'
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def verify(secret: str = SECRET, **changed: str) -> None:
    request = {"event_id": EVENT_ID, "timestamp": str(UNIX_S), "signatures": SIGNATURE} | changed
    WebhookSigner.parse(secret).verify(
        request["event_id"], request["timestamp"], request["signatures"], BODY, now_s=UNIX_S + 1
    )


def test_signature_is_that_of_the_specification() -> None:
    assert WebhookSigner.parse(SECRET).headers(EVENT_ID, UNIX_S, BODY) == {
        "webhook-id": EVENT_ID,
        "webhook-timestamp": str(UNIX_S),
        "webhook-signature": SIGNATURE,
    }
    verify()


@pytest.mark.parametrize(
    "changed",
    [
        {"event_id": "other"},
        {"timestamp": str(UNIX_S + 1)},
        {"timestamp": ""},
        {"timestamp": "²"},
        {"signatures": ""},
        {"signatures": SIGNATURE.removeprefix("v1,")},
        {"signatures": "v1,ü"},
        {"secret": new_secret()},
    ],
)
def test_altered_request_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        verify(**changed)


def test_recorded_request_is_refused_after_five_minutes() -> None:
    signer = WebhookSigner.parse(SECRET)
    signer.verify(EVENT_ID, str(UNIX_S), SIGNATURE, BODY, now_s=UNIX_S + 300)
    with pytest.raises(BadSignature, match="5 minutes"):
        signer.verify(EVENT_ID, str(UNIX_S), SIGNATURE, BODY, now_s=UNIX_S + 301)


def test_both_secrets_are_accepted_while_one_is_replaced() -> None:
    new = new_secret()
    signatures = WebhookSigner.parse(f"{new} {SECRET}").headers(EVENT_ID, UNIX_S, BODY)["webhook-signature"]
    verify(signatures=signatures)
    verify(new, signatures=signatures)


@pytest.mark.parametrize("text", ["", "confidential", "whsec_???", "whsec_" + base64.b64encode(b"short").decode()])
def test_malformed_secret_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(BadSecret) as caught:
        WebhookSigner.parse(text)
    assert not text or text not in str(caught.value)
