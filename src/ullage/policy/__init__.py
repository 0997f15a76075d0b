"""Decisions, as tables and pure functions. ``now`` comes in as a keyword; every decision brings its reason along."""
