"""State of a conversation that a person has joined: position, version, and messages that arrive during a join."""

from __future__ import annotations

from chatws_loadtest.raw_client import Fields


class JoinedRoom:
    """Position and version of a joined conversation."""

    def __init__(self) -> None:
        self.newest_seq: int | None = None
        """Highest ``seq`` received; None on a server without it."""
        self.epoch: object = None
        self.version: object = None
        """Version of the conversation, which claims and releases refer to."""
        # Messages that arrive while a join is in flight; None at other times.
        self._held: list[Fields] | None = None

    def begin_join(self) -> None:
        self._held = []

    def end_join(self, ack: Fields, missed: list[object]) -> list[object]:
        """Return the missed messages, then those that arrived during the join and are not among them.

        The contract lets a message arrive in both ways, because a server enters the room before it reads the history.
        """
        self.epoch = ack.get("epoch")
        self.update(ack.get("conversation"))
        if self.newest_seq is None:
            conversation = ack.get("conversation")
            head = conversation.get("headSeq") if isinstance(conversation, dict) else None
            self.newest_seq = head if isinstance(head, int) else 0
        for message in missed:
            self._advance(message)
        held, self._held = self._held or [], None
        later = [message for message in held if self.seq_of(message) > self.newest_seq]
        for message in later:
            self._advance(message)
        return [*missed, *later]

    def accepts(self, message: Fields) -> bool:
        """Note a live message; return False if it is held until the end of a join."""
        if self._held is not None:
            self._held.append(message)
            return False
        self._advance(message)
        return True

    def update(self, conversation: object) -> None:
        """Note the version of the conversation."""
        if isinstance(conversation, dict) and "version" in conversation:
            self.version = conversation["version"]

    @staticmethod
    def seq_of(message: object) -> int:
        """Return the ``seq`` of a message; 0 without one."""
        seq = message.get("seq") if isinstance(message, dict) else None
        return seq if isinstance(seq, int) else 0

    def _advance(self, message: object) -> None:
        if seq := self.seq_of(message):
            self.newest_seq = max(self.newest_seq or 0, seq)
