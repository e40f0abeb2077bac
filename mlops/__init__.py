"""Command line of the project: deploy it, feed it data, follow and inspect its runs."""
