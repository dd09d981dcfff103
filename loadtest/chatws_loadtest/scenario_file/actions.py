"""Actions: the steps in which a person does something, and their check of the server's ack."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from chatws_loadtest.raw_client import ConnectErrorReceived
from chatws_loadtest.scenario_file.errors import StepFailed, StepNotJudgeable
from chatws_loadtest.scenario_file.grammar import (
    ClaimStep,
    ConnectStep,
    DisconnectStep,
    DropStep,
    EmitStep,
    ExpectNothingStep,
    ExpectStep,
    FreezeStep,
    JoinStep,
    LeaveStep,
    PersonStep,
    PresenceStep,
    ReadStep,
    ReleaseStep,
    ReopenStep,
    ResolveStep,
    SendStep,
    StopTypingStep,
    TypeStep,
    seconds,
)
from chatws_loadtest.scenario_file.patterns import ANY, mismatch, show, substitute

if TYPE_CHECKING:
    from chatws_loadtest.raw_client import Fields
    from chatws_loadtest.scenario_file.cast import Cast
    from chatws_loadtest.scenario_file.person import Person

NOTIFICATIONS: Final = {
    LeaveStep: "leave_conversation",
    TypeStep: "typing_start",
    StopTypingStep: "typing_stop",
}
ASSIGNMENT_COMMANDS: Final = {
    ClaimStep: "claim_conversation",
    ReleaseStep: "release_conversation",
    ResolveStep: "resolve_conversation",
    ReopenStep: "reopen_conversation",
}


_Request = JoinStep | PresenceStep | ReadStep | ClaimStep | ReleaseStep | ResolveStep | ReopenStep


async def act(step: PersonStep, person: Person, cast: Cast) -> None:
    """Perform a step, and return when the server has acked it, if it acks such a step.

    Raises:
        StepFailed: the server did not ack it, or refused it.
        StepNotJudgeable: the server does not offer it.
    """
    match step:
        case ConnectStep():
            await _connect(step, person)
        case DisconnectStep():
            await person.client.disconnect()
        case DropStep():
            await person.client.drop(seconds(step.drop))
        case FreezeStep():
            await person.client.freeze(seconds(step.freeze))
        case SendStep():
            await _send(step, person, cast)
        case EmitStep():
            await _emit(step, person, cast)
        case LeaveStep() | TypeStep() | StopTypingStep():
            await _notify(step, person, cast)
        case ExpectStep() | ExpectNothingStep():
            raise TypeError(step)
        case _:
            check_ack(await _request(step, person, cast), step.refused)


def check_ack(ack: Fields, refused: str | None) -> None:
    """Compare an ack with the expected result: success, or a refusal with this error code (``any``: any).

    Raises:
        StepFailed: it is another.
    """
    is_success = ack.get("success") is True
    error = ack.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    if refused is None:
        if not is_success:
            raise StepFailed(f"the server refused it: {show(error or ack)}", expected="an ack with success: true")
    elif is_success:
        raise StepFailed("the server accepted it", expected=f"a refusal ({refused})")
    elif refused not in {ANY, code}:
        raise StepFailed(f"the server refused it with {show(error or ack)}", expected=f"a refusal ({refused})")


async def _request(step: _Request, person: Person, cast: Cast) -> Fields:
    if isinstance(step, JoinStep):
        conversation = person.own_conversation if step.join is None else cast[step.join].own_conversation
        return await person.client.join(conversation)
    if isinstance(step, PresenceStep):
        return await person.client.addition("set_presence", {"status": step.presence})
    conversation = cast.conversation_of(person, step.to)
    if isinstance(step, ReadStep):
        return await person.mark_read(conversation)
    return await person.change_conversation(ASSIGNMENT_COMMANDS[type(step)], conversation)


async def _notify(step: LeaveStep | TypeStep | StopTypingStep, person: Person, cast: Cast) -> None:
    """Send an event that the guide's clients send without an ack callback."""
    conversation = cast.conversation_of(person, step.to)
    await person.client.emit(NOTIFICATIONS[type(step)], conversation)
    if isinstance(step, LeaveStep):
        person.client.rooms.pop(conversation, None)


async def _connect(step: ConnectStep, person: Person) -> None:
    if person.client.is_connected:
        raise StepFailed("the person is connected already")
    try:
        await person.client.connect()
    except ConnectErrorReceived as problem:
        if step.refused is None or (step.refused != ANY and step.refused not in str(problem)):
            expected = "a connection" if step.refused is None else f"a refusal ({step.refused})"
            raise StepFailed(str(problem), expected=expected) from problem
        return
    if step.refused is not None:
        raise StepFailed("the server accepted the connection", expected=f"a refusal ({step.refused})")


async def _send(step: SendStep, person: Person, cast: Cast) -> None:
    conversation = cast.conversation_of(person, step.to)
    texts = step.send if isinstance(step.send, list) else [step.send]
    if step.times is not None:
        texts = [texts[0].replace("{n}", str(number)) for number in range(1, step.times + 1)]
    if step.refused is not None and not person.client.acks_messages:
        raise StepNotJudgeable("the mapping says that the server does not ack messages")
    drop_s = None if step.drop is None else seconds(step.drop)
    if drop_s is not None:
        for text in texts:
            check_ack(await person.send(text, conversation, drop_s), step.refused)
        return
    # `gather` starts its tasks in order, so the messages of a burst leave in order, before the first ack.
    replies = await asyncio.gather(*(person.send(text, conversation) for text in texts), return_exceptions=True)
    for reply in replies:
        if isinstance(reply, BaseException):
            raise reply
        check_ack(reply, step.refused)


async def _emit(step: EmitStep, person: Person, cast: Cast) -> None:
    [(name, payload)] = step.emit.items()
    args = () if payload is None else (substitute(payload, cast.resolve),)
    if step.ack is msgspec.UNSET:
        await person.client.emit(name, *args)
        return
    ack = await person.client.request(name, *args)
    if (reason := mismatch(step.ack, ack, cast.resolve)) is not None:
        raise StepFailed(f"the ack was {show(ack)}: {reason}", expected=f"an ack like {show(step.ack)}")
