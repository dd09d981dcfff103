"""One module per revision, oldest first; a published one is never edited."""
