"""The SDK's clients with a recorder of their events and a conversation of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatws.client import AgentClient, ClientOptions, CustomerClient
from chatws.client.base import ChatClient
from chatws_loadtest.pytest_plugin.event_recorder import Condition, EventRecorder

if TYPE_CHECKING:
    from chatws.protocol.responses import JoinAck, SendAck


class RecordedClient(ChatClient):
    """Client whose events a test can expect; base of `RecordedAgent` and `RecordedCustomer`."""

    recorder: EventRecorder
    conversation_id: str | None
    """Conversation that `send` uses: the customer's own, or the first that the client joined."""

    @property
    def name(self) -> str:
        return self.recorder.name

    def received(self, event: str) -> list[Any]:
        """Return the payloads of an event so far, those of own messages included."""
        return [payload for name, payload in self.recorder.events if name == event]

    async def join(self, conversation: str | RecordedClient) -> JoinAck:
        """Join a conversation, or that of another client."""
        conversation_id = conversation if isinstance(conversation, str) else conversation.require_conversation()
        ack = await self.join_conversation(conversation_id)
        self.conversation_id = self.conversation_id or conversation_id
        return ack

    async def send(self, content: str) -> SendAck:
        """Send a message to the client's conversation, and wait until it is stored."""
        return await self.send_message(self.require_conversation(), content)

    async def start_typing(self) -> None:
        """Send a typing notification to the client's conversation."""
        await self.send_typing_start(self.require_conversation())

    async def stop_typing(self) -> None:
        """Send the end of typing to the client's conversation."""
        await self.send_typing_stop(self.require_conversation())

    async def expect(
        self,
        event: str,
        *,
        within: float = 5.0,
        where: Condition | None = None,
        **fields: Any,  # noqa: ANN401  fields of any event
    ) -> Any:  # noqa: ANN401  the type follows from the event's name
        """Wait for an event with these fields, and return its payload; an event is returned once.

        Args:
            event: its name, such as ``message_received``; the client's own messages are not matched.
            within: seconds to wait.
            where: condition on the payload, in addition to the fields.
            fields: values of attributes of the payload, such as ``content="hello"``.

        Raises:
            ExpectationFailed: it did not arrive in time; the text lists what did.
        """
        __tracebackhide__ = True
        return await self.recorder.expect(event, within, where, fields)

    async def expect_nothing(
        self,
        event: str,
        *,
        during: float = 0.5,
        where: Condition | None = None,
        **fields: Any,  # noqa: ANN401  fields of any event
    ) -> None:
        """Check for ``during`` seconds that no such event arrives; arguments as for `expect`.

        Raises:
            ExpectationFailed: one arrived, or had arrived before and was not expected.
        """
        __tracebackhide__ = True
        await self.recorder.expect_nothing(event, during, where, fields)

    def require_conversation(self) -> str:
        """Return the client's conversation.

        Raises:
            ValueError: it joined none.
        """
        if self.conversation_id is None:
            raise ValueError(f"{self.name} has joined no conversation; call join first")
        return self.conversation_id

    def _record_as(self, name: str, conversation_id: str | None) -> None:
        self.recorder = EventRecorder(name)
        self.conversation_id = conversation_id
        self.on_event(self.recorder.record)


class RecordedAgent(RecordedClient, AgentClient):
    """Agent in a test."""

    def __init__(self, url: str, token: str, options: ClientOptions, name: str) -> None:
        super().__init__(url, token, options=options)
        self._record_as(name, None)


class RecordedCustomer(RecordedClient, CustomerClient):
    """Customer in a test, with its conversation."""

    def __init__(self, url: str, session_id: str, options: ClientOptions, name: str, conversation_id: str) -> None:
        super().__init__(url, session_id, options=options)
        self._record_as(name, conversation_id)
