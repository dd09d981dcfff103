"""Mapping between the guide's events and those of another Socket.IO server."""

from chatws.client.mapping.errors import AckShapeError, MappingError, NotMapped
from chatws.client.mapping.guide import GUIDE_MAPPING
from chatws.client.mapping.model import ServerMapping
from chatws.client.mapping.reader import mapping_schema, read_mapping
from chatws.client.mapping.translator import CompiledMapping, ConnectRequest, OutgoingEvent, ServerTranslator

__all__ = [
    "GUIDE_MAPPING",
    "AckShapeError",
    "CompiledMapping",
    "ConnectRequest",
    "MappingError",
    "NotMapped",
    "OutgoingEvent",
    "ServerMapping",
    "ServerTranslator",
    "mapping_schema",
    "read_mapping",
]
