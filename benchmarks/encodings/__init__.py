"""Benchmark of encodings for the traffic of a chat: JSON, MessagePack, and WebSocket compression."""
