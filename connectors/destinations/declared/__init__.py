"""Connectors for HTTP APIs that are declared in YAML, without Python."""

from connectors.destinations.declared.loading import load

__all__ = ["load"]
