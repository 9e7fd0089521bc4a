"""The command line: serving, and administration without the browser."""
