"""Casting: credentials and first connections of a script's people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice

from chatws.server.auth import tokens
from chatws.settings import Settings
from chatws_loadtest.chatlog.recorder import ChatlogRecorder
from chatws_loadtest.credentials import TOKEN_LIFE_S, Credentials, CredentialsMissing, start_sessions, tls_context
from chatws_loadtest.raw_client import ConnectErrorReceived, Fields
from chatws_loadtest.scenario_file.actions import check_ack
from chatws_loadtest.scenario_file.cast import Cast
from chatws_loadtest.scenario_file.errors import PersonNotConnected, StepFailed
from chatws_loadtest.scenario_file.person import Person
from chatws_loadtest.scenario_file.play_options import PlayOptions
from chatws_loadtest.scenario_file.script import Script
from chatws_loadtest.server_address import ServerAddress


@asynccontextmanager
async def assemble(script: Script, url: str, credentials: Credentials, options: PlayOptions) -> AsyncIterator[Cast]:
    """Yield the people, connected and joined unless their first step does that; disconnect them afterwards.

    Raises:
        CredentialsMissing: there are too few credentials.
        PersonNotConnected: a person could not connect or join.
    """
    recorder = None if options.chatlog is None else options.chatlog.open_recorder("run", url)
    try:
        cast = await _assign(script, url, credentials, options, recorder)
    except BaseException:
        _close(recorder)
        raise
    try:
        for person in cast:
            if script.starts_connected(person.name):
                await _connect(person, join=script.starts_joined(person.name))
        for person in cast:
            person.log.skip_all()
        yield cast
    finally:
        for person in cast:
            await person.client.disconnect()
        _close(recorder)


def _close(recorder: ChatlogRecorder | None) -> None:
    if recorder is not None:
        recorder.close()


async def _assign(
    script: Script, url: str, credentials: Credentials, options: PlayOptions, recorder: ChatlogRecorder | None
) -> Cast:
    names = script.customers
    customers = list(credentials.sessions[: len(names)]) or await start_sessions(url, len(names), options.ca_file)
    if len(customers) < len(names):
        raise CredentialsMissing(f"there are {len(customers)} sessions, {len(names)} are needed, one for each customer")
    tls = tls_context(url, options.ca_file)
    server = ServerAddress(url, tls, options.mapping, recorder, options.reply_timeout_s)
    assigned: dict[str, tuple[Fields, str]] = {}
    for name, customer in zip(names, customers, strict=True):
        assigned[name] = ({"sessionId": customer.session_id}, customer.conversation_id)
    agents = [person.name for person in script.people.values() if person.is_agent]
    for name, token in zip(agents, _tokens(agents, credentials), strict=True):
        assigned[name] = ({"token": token}, customers[0].conversation_id)
    people = {name: Person(spec, server, *assigned[name]) for name, spec in script.people.items()}
    return Cast(script, people)


def _tokens(agents: list[str], credentials: Credentials) -> list[str]:
    """Return a token for each agent: signed in its name, or the given ones in the order of the file."""
    if not agents:
        return []
    if credentials.keys is not None:
        tag, keys = credentials.tag, credentials.keys
        return [
            tokens.mint(keys, Settings(), subject=f"{tag}-{name.replace('.', '-')}", name=name, ttl_s=TOKEN_LIFE_S)
            for name in agents
        ]
    if credentials.tokens and len(credentials.tokens) < len(agents):
        raise CredentialsMissing(
            f"there are {len(credentials.tokens)} tokens, {len(agents)} are needed, one for each agent"
        )
    return list(islice(credentials.agents(len(agents)), len(agents)))


async def _connect(person: Person, *, join: bool) -> None:
    try:
        await person.client.connect()
        if join:
            check_ack(await person.client.join(person.own_conversation), None)
    except ConnectErrorReceived as problem:
        is_refusal = str(problem).startswith("connect_error")
        raise PersonNotConnected(person.name, str(problem), is_refusal=is_refusal) from problem
    except StepFailed as problem:
        raise PersonNotConnected(person.name, problem.reason, is_refusal=True) from problem
