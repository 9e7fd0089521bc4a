"""The click: thin pages and routes over the flows; the only place for gradio, fastapi and starlette."""
