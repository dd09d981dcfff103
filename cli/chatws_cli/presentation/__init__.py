"""Presentation model of the chat terminals: state and its changes as plain data, for line mode and full screen."""
