"""Alerts: what they say (``message``), how they go out (``send``), and until they have gone, ``outbox``."""
