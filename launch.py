"""Serves Atelier: `python launch.py [flags]`; `python launch.py --help` tells the flags."""

import sys

from app.cli.serve import main

if __name__ == "__main__":
    sys.exit(main())
