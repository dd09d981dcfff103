"""Customer of a conversation as agents see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from chatws_cli.presentation.sanitize import clean_line

if TYPE_CHECKING:
    from chatws.protocol.entities import Conversation


def mail_of(conversation: Conversation) -> str:
    """Return the customer's mail address, safe to print; empty if there is none."""
    return "" if conversation.customer_email is UNSET else clean_line(conversation.customer_email)


def name_with_mail(conversation: Conversation) -> str:
    """Return the customer's name, with the mail address if there is one."""
    name = clean_line(conversation.customer.user_name) or conversation.customer.user_id
    mail = mail_of(conversation)
    return f"{name} <{mail}>" if mail else name
