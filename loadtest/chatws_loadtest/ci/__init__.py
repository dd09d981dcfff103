"""Files for continuous integration: templates of jobs that run the load test."""
