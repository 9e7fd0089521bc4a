"""What runs in the engine child: the only place for torch and diffusers."""
