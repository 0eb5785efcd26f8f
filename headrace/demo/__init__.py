"""The demo: a generated shop that changes by a day, and the story told with it."""
