"""Request pipeline shared by sockets and REST: policy, rate limits, deadline."""
