"""Home of the load generators: programs that put a running server under load and measure what it promises."""
