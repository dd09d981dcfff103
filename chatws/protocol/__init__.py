"""The chat's contract as code: pure data, shared by server, clients, load test and documentation."""
