"""What load generators cost beside each other, on the same server: ours, Locust's, npm's client, Artillery."""
