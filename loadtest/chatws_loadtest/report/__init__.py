"""Writers of the files of ``--report DIR``, each of them made from a `results.Report`."""
