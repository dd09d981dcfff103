from __future__ import annotations

from datetime import UTC

import msgspec

from chatws.protocol.entities import Conversation
from chatws_cli.presentation.customer import name_with_mail
from chatws_cli.screen.conversation_list import FilteredConversations
from chatws_cli.screen.status_bar import status_line
from chatws_cli.text_ui.inbox import InboxList
from chatws_cli.text_ui.renderer import TextRenderer
from tools.screenshots.sample_events import ADA, GRACE, conversation, screen_of

MAIL = "grace@example.com"


def with_mail(mail: str = MAIL) -> Conversation:
    return msgspec.structs.replace(conversation(), customer_email=mail)


def test_agents_see_the_mail_address_with_the_name() -> None:
    lines = TextRenderer(ADA.user_id, UTC).open(with_mail(), [])
    assert lines[0].text.strip().endswith(f"with Grace <{MAIL}>")
    assert f"Grace, queued │ {MAIL} │" in status_line(screen_of(ADA, with_mail()), 0.0, 80)
    assert name_with_mail(with_mail("x\x1b[2J@example.com")) == "Grace <x[2J@example.com>"
    assert name_with_mail(conversation()) == "Grace"


def test_customers_do_not_see_it_in_the_status_line() -> None:
    assert MAIL not in status_line(screen_of(GRACE, with_mail()), 0.0, 80)


def test_the_list_is_searched_by_mail_address() -> None:
    index = InboxList()
    index.load([msgspec.structs.replace(with_mail(), head_seq=1)])
    assert f"Grace <{MAIL}>" in index.listing()[0]
    filtered = FilteredConversations(index)
    for part, found in (("EXAMPLE.com", 1), ("grace", 1), ("example.org", 0)):
        filtered.name_part = part
        assert len(filtered.visible(ADA.user_id, {}, None)) == found
