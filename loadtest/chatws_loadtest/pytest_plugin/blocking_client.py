"""Blocking facade of a client, for tests that are not coroutines; the client runs on another thread's event loop."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from chatws_loadtest.pytest_plugin.client_factory import ClientFactory
from chatws_loadtest.pytest_plugin.event_recorder import ExpectationFailed
from chatws_loadtest.pytest_plugin.loop_thread import LoopThread
from chatws_loadtest.pytest_plugin.recorded_client import RecordedClient

if TYPE_CHECKING:
    from chatws.protocol.responses import JoinAck, SendAck

T = TypeVar("T")


class BlockingClient:
    """Agent or customer whose coroutine methods block until they are done.

    Methods of the SDK that are not named here, such as ``mark_read`` and ``history``, block in the same way. Callbacks
    run on the thread of the client.
    """

    def __init__(self, client: RecordedClient, loop: LoopThread) -> None:
        self.client = client
        """Client of the SDK; it may be used on its own loop only."""
        self._loop = loop

    def join(self, conversation: str | BlockingClient) -> JoinAck:
        """Join a conversation, or that of another client."""
        target = conversation.client if isinstance(conversation, BlockingClient) else conversation
        return self._loop.run(self.client.join(target))

    def send(self, content: str) -> SendAck:
        """Send a message to the client's conversation, and wait until it is stored."""
        return self._loop.run(self.client.send(content))

    def expect(self, event: str, **conditions: Any) -> Any:  # noqa: ANN401  as RecordedClient.expect
        """Wait for an event and return its payload, see `RecordedClient.expect`."""
        __tracebackhide__ = True
        return self._check(self.client.expect(event, **conditions))

    def expect_nothing(self, event: str, **conditions: Any) -> None:  # noqa: ANN401  as RecordedClient.expect_nothing
        """Check that no such event arrives, see `RecordedClient.expect_nothing`."""
        __tracebackhide__ = True
        self._check(self.client.expect_nothing(event, **conditions))

    def _check(self, expectation: Coroutine[Any, Any, T]) -> T:
        """Run an expectation; a failure has the traceback of the test only, without that of the other thread."""
        __tracebackhide__ = True
        try:
            return self._loop.run(expectation)
        except (ExpectationFailed, ValueError) as failed:
            raise failed.with_traceback(None) from None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  attributes of the SDK's client
        value = getattr(self.client, name)
        if not inspect.ismethod(value):
            return value

        def call(*args: object, **kwargs: object) -> object:
            return self._loop.run(_call(value, args, kwargs))

        return call


class BlockingFactory:
    """Creator of connected clients for tests that are not coroutines."""

    def __init__(self, factory: ClientFactory, loop: LoopThread) -> None:
        self._factory = factory
        self._loop = loop

    def agent(self, name: str | None = None, *, join: str | BlockingClient | None = None) -> BlockingClient:
        """Connect an agent, and let it join a conversation, or that of another client."""
        target = join.client if isinstance(join, BlockingClient) else join
        return BlockingClient(self._loop.run(self._factory.agent(name, join=target)), self._loop)

    def customer(self, name: str | None = None) -> BlockingClient:
        """Connect a new customer, and let it join its conversation."""
        return BlockingClient(self._loop.run(self._factory.customer(name)), self._loop)


async def _call(method: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]) -> object:
    result = method(*args, **kwargs)
    return await result if inspect.isawaitable(result) else result
