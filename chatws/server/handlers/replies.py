"""Handler of canned replies, which the operator keeps in a file of the data directory."""

from __future__ import annotations

import asyncio

from chatws.protocol.commands import Nothing
from chatws.protocol.entities import CannedReply
from chatws.protocol.responses import ReplyList
from chatws.server.requests.context import RequestContext
from chatws.server.services import Services
from chatws.settings.replies import FILE_NAME, read_replies


async def list_replies(services: Services, context: RequestContext, payload: Nothing) -> ReplyList:
    """Return the replies in the file, which is read for each request, so that a change needs no restart.

    Raises:
        BadReplies: the file cannot be used; the client receives ``internal``, and the log the reason.
    """
    replies = await asyncio.to_thread(read_replies, services.settings.data_dir / FILE_NAME)
    return ReplyList(replies=[CannedReply(name=name, content=content) for name, content in sorted(replies.items())])
