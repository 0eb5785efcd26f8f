"""Destinations that come with headrace, one module each."""
