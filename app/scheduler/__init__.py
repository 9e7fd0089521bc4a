"""Scheduler: the queue is a table, owned by one dispatcher; live progress is kept in memory."""
