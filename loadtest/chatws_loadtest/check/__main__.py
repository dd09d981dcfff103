"""Runs ``chatws check`` as a program of its own."""

from __future__ import annotations

from chatws_loadtest.check.command import main

if __name__ == "__main__":
    main()
