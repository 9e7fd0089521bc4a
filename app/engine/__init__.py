"""The engine: pictures from prompts, made in child processes."""
