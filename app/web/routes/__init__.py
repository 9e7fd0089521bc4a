"""Routes beside Gradio's: one file for each part of the address space."""
