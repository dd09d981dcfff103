"""Recordings of chat traffic (``.chatlog``): JSON lines with times, connections, rooms and events, without texts."""
