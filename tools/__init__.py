"""Development tools of the repository: generators, checks and screenshots. Not part of the wheel."""
