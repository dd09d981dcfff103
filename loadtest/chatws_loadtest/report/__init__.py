"""What ``--report DIR`` writes for people and programs, all of it from one `results.Report`."""
