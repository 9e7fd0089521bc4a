"""One tab a file: lay out, read, call one flow."""
