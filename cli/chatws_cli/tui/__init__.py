"""The full-screen terminals: Textual around the state of ``chatws_cli.screen``."""
