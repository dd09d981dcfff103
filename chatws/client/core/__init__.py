"""Sans-I/O core of a chat client: time, randomness and received packets are arguments, effects are results."""
