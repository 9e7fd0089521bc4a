"""The database. Nobody else knows SQLAlchemy: repositories take values and return frozen dataclasses."""
