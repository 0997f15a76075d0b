"""A store that exists in memory alone: the real engine over a virtual year of it, or over any other time."""
