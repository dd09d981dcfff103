"""``chatws demo``: a conversation between real clients on a real server, interactive or scripted."""
