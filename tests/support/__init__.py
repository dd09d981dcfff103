"""What tests share: real processes, real tools, real clients."""
