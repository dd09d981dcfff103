"""Screenshots of the terminal, a load test's report and every page; some of them illustrate the README."""
