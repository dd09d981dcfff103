"""Load test and conformance checks for chat servers that implement the guide."""
