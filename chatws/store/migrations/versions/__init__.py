"""Migrations, one module per revision; a published migration is never edited."""
