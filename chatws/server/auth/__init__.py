"""Authentication: keys, tokens, passwords, and the identity that credentials prove."""
