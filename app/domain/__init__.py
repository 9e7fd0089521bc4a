"""What Atelier talks about: people, requests, jobs, errors and ports. Standard library only, no I/O."""
