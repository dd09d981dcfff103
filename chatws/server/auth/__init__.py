"""Who somebody is: keys, tokens, passwords, sessions, and the identity they lead to."""
