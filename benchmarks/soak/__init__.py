"""What a server holds, for how long, and whether it gives it back: ``make soak`` prints the figures."""
