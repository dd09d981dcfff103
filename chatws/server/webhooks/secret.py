"""Secret that signs the webhook's requests."""

from __future__ import annotations

import os

from chatws.protocol.webhook_signature import BadSecret, WebhookSigner, new_secret
from chatws.server.errors import StartError
from chatws.server.secret_file import create_secret, read_material
from chatws.settings import Settings

SECRET_VARIABLE = "CHATWS_WEBHOOK_SECRET"
"""Environment variable with the secret; it takes precedence over the file."""

SECRET_FILE = "webhook-secret"

_WHAT = "the secret of the webhook"


def load_secret(settings: Settings) -> str:
    """Return the secret of the variable, or of the file; the file in the data directory is created at first use.

    Raises:
        StartError: the file is missing or readable by other users, or none can be created.
    """
    if text := os.environ.get(SECRET_VARIABLE):
        return text
    path = settings.webhook_secret_file or settings.data_dir / SECRET_FILE
    if settings.webhook_secret_file is None and not path.exists():
        create_secret(path, new_secret(), _WHAT)
    return read_material(path, _WHAT, "webhook_secret_file").decode(errors="replace")


def load_signer(settings: Settings) -> WebhookSigner:
    """Return the signer with the secret of the settings.

    Raises:
        StartError: there is no such secret, or it is malformed.
    """
    try:
        return WebhookSigner.parse(load_secret(settings))
    except BadSecret as error:
        raise StartError(_WHAT, str(error), "create one with 'chatws webhook secret --new'") from None
