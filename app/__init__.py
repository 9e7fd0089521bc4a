"""Atelier, the team studio for Z-Image-Turbo. Importing it has no effect and loads neither torch nor gradio."""

__version__ = "0.1.0"
