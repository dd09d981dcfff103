"""What load generators cost beside each other: ours, Locust's own user, npm's client, each on the same server."""
