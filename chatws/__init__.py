"""A customer-chat backend: real-time server, client SDK, and the contract between them."""

__version__ = "0.1.0"
