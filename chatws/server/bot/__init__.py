"""Bot replies: dispatch, progress of one reply, notices to agents."""
