"""Audit: typed events, written in the transaction of what they tell."""
