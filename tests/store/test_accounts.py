"""Contract: accounts and sessions."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec
import pytest

from chatws.protocol.entities import User
from chatws.store import AlreadyExists, NotFound, Store
from tests.store.support import AGENT, ANN, BEN, START_MS

if TYPE_CHECKING:
    from pathlib import Path


async def test_account_is_found_by_id_and_by_email_without_case(store: Store) -> None:
    added = await store.add_account(AGENT, "Agnes@Example.org", "hash")
    assert (added.user, added.email, added.password_hash) == (AGENT, "agnes@example.org", "hash")
    assert (added.disabled, added.tokens_valid_after_ms, added.created_at_ms) == (False, 0, START_MS)
    assert await store.account("agent") == added
    assert await store.account_by_email(" AGNES@example.ORG") == added
    assert await store.account("unknown-user") is None
    assert await store.account_by_email("nobody@example.org") is None


async def test_taken_user_id_or_email_is_rejected_with_the_field(store: Store) -> None:
    await store.add_account(AGENT, "a@example.org", "hash")
    with pytest.raises(AlreadyExists) as caught:
        await store.add_account(AGENT, "b@example.org", "hash")
    assert caught.value.field == "user_id"
    with pytest.raises(AlreadyExists) as caught:
        await store.add_account(msgspec.structs.replace(AGENT, user_id="other"), "A@example.org", "hash")
    assert caught.value.field == "email"
    assert await store.account("other") is None


async def test_ensure_user_returns_the_existing_row_unchanged(store: Store) -> None:
    first = await store.ensure_user(AGENT, "a@example.org")
    renamed = msgspec.structs.replace(AGENT, user_name="Mallory", role="customer")
    assert await store.ensure_user(renamed, "m@example.org") == first
    rivals = await asyncio.gather(*(store.ensure_user(ANN) for _ in range(20)))
    assert {rival.user.user_name for rival in rivals} == {"Ann"}


async def test_ensure_user_omits_an_email_of_another_user(store: Store) -> None:
    await store.add_account(AGENT, "a@example.org", "hash")
    other = await store.ensure_user(User(user_id="other", user_name="Other", role="admin"), "A@example.org")
    assert other.email is None


async def test_accounts_of_finds_any_number_of_users_and_omits_unknown_ones(store: Store) -> None:
    await store.add_account(AGENT, None, "hash")
    await store.ensure_user(ANN)
    await store.set_disabled("agent", True)
    many = ["agent", "ann", *(f"nobody-{number}" for number in range(2_500))]
    found = {account.user.user_id: account.disabled for account in await store.accounts_of(many)}
    assert found == {"agent": True, "ann": False}
    assert await store.accounts_of([]) == []


async def test_only_agents_are_listed_oldest_first(store: Store) -> None:
    await store.ensure_user(ANN)
    await store.add_account(AGENT, None, "hash")
    await store.ensure_user(User(user_id="a-second", user_name="Second", role="admin"))
    assert [account.user.user_id for account in await store.accounts()] == ["a-second", "agent"]


async def test_password_disabling_and_token_revocation_change_one_account(store: Store) -> None:
    await store.add_account(AGENT, None, "old")
    await store.ensure_user(ANN)
    await store.set_password("agent", "new")
    await store.set_disabled("agent", disabled=True)
    await store.revoke_tokens("agent", 500)
    await store.revoke_tokens("agent", 400)
    account = await store.account("agent")
    assert account is not None
    assert (account.password_hash, account.disabled, account.tokens_valid_after_ms) == ("new", True, 500)
    other = await store.account("ann")
    assert other is not None
    assert (other.password_hash, other.disabled, other.tokens_valid_after_ms) == (None, False, 0)
    for change in (store.set_password("x", "h"), store.set_disabled("x", disabled=True), store.revoke_tokens("x", 1)):
        with pytest.raises(NotFound):
            await change


async def test_session_contains_its_customer_and_conversation(store: Store) -> None:
    created = await store.create_session("secret-session", ANN, 9_000, "room", "queued")
    assert (created.user, created.expires_at_ms, created.conversation_id) == (ANN, 9_000, "room")
    assert await store.session("secret-session") == created
    conversation = await store.conversation("room")
    assert conversation is not None
    assert conversation.customer == ANN
    assert await store.session("unknown") is None


async def test_existing_session_is_returned_and_nothing_is_created(store: Store) -> None:
    created = await store.create_session("secret-session", ANN, 9_000, None, "queued")
    assert created.conversation_id is None
    assert await store.create_session("secret-session", BEN, 1, "room", "queued") == created
    assert await store.account("ben") is None
    assert await store.conversation("room") is None


async def test_session_contains_the_latest_conversation(store: Store) -> None:
    await store.create_session("secret-session", ANN, 9_000, "room-1", "queued")
    await store.create_conversation("room-2", ANN, "queued")
    await store.create_conversation("room-3", BEN, "queued")
    session = await store.session("secret-session")
    assert session is not None
    assert session.conversation_id == "room-2"


async def test_session_is_extended_but_never_shortened(store: Store) -> None:
    await store.create_session("secret-session", ANN, 9_000, None, "queued")
    for expires_at_ms in (10_000, 8_000):
        await store.touch_session("secret-session", expires_at_ms)
    session = await store.session("secret-session")
    assert session is not None
    assert session.expires_at_ms == 10_000
    with pytest.raises(NotFound) as caught:
        await store.touch_session("secret-unknown", 1)
    assert "secret-unknown" not in str(caught.value)


async def test_session_ids_are_not_in_the_file(file_store: Store, path: Path) -> None:
    await file_store.create_session("secret-session", ANN, 9_000, None, "queued")
    with closing(sqlite3.connect(path)) as connection:
        dump = "\n".join(connection.iterdump())
    assert "ann" in dump
    assert "secret-session" not in dump


async def test_mail_address_of_a_customer_is_not_unique_and_belongs_to_the_conversation(store: Store) -> None:
    await store.add_account(AGENT, "shared@example.org", "hash")
    created = await store.create_session("anns", ANN, 9_000, "room", "queued", email="shared@example.org")
    assert created.email == "shared@example.org"
    await store.create_session("bens", BEN, 9_000, "bens-room", "queued")
    await store.set_contact_email("ben", "shared@example.org")
    emails = []
    for room in ("room", "bens-room"):
        conversation = await store.conversation(room)
        assert conversation is not None
        emails.append(conversation.customer_email)
    assert emails == ["shared@example.org"] * 2
    found = await store.account_by_email("shared@example.org")
    assert found is not None
    assert found.user == AGENT, "a customer's address must not become a login name"
    again = await store.create_session("anns-phone", ANN, 9_000, None, "queued", email="new@example.org")
    assert again.email == "new@example.org"
    assert (await store.create_session("anns-laptop", ANN, 9_000, None, "queued")).email == "new@example.org"
    with pytest.raises(NotFound):
        await store.set_contact_email("unknown-user", "a@example.org")
