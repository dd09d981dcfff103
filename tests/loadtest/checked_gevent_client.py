"""Client on the gevent driver for ``chatws check-client``, as ``python -m tests.loadtest.checked_gevent_client``.

It sends a message every 300 ms, types meanwhile, and prints the messages that it receives.
"""

from __future__ import annotations

import itertools
import os
import sys

import gevent

from chatws.client.core.sdk_events import MessageReceived
from chatws.client.gevent.deadline_timer import now_s
from chatws.client.gevent.transport_choice import TransportChoice
from tests.client.gevent.recording_observer import RecordingObserver

CONVERSATION = "conv-1"
INTERVAL_S = 0.3


class PrintingObserver(RecordingObserver):
    """Observer that also prints the contents of the delivered messages."""

    def _deliver(self, name: str, payload: object) -> None:
        super()._deliver(name, payload)
        if isinstance(payload, MessageReceived):
            sys.stdout.write(f"{payload.content}\n")
            sys.stdout.flush()


def main() -> None:
    """Connect, join, and send messages until the process is ended."""
    observer = PrintingObserver(os.environ["CHATWS_URL"], {"sessionId": "session-1"}, TransportChoice.UPGRADE)
    observer.connect()
    observer.join(CONVERSATION)
    driver = observer.driver
    for number in itertools.count(1):
        driver.perform(driver.session.typing(CONVERSATION, now_s(), is_typing=True))
        post(observer, number)
        gevent.sleep(INTERVAL_S)


def post(observer: RecordingObserver, number: int) -> None:
    """Queue a message, whose outcome is not awaited."""
    session, content = observer.driver.session, f"message {number}"
    observer.driver.ask(
        lambda request_id, now: session.post(request_id, CONVERSATION, content, f"id-{number}", now), lambda _: None
    )


if __name__ == "__main__":
    main()
