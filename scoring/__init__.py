"""Traits, features as of a time, and predictions: tables in, tables out."""
