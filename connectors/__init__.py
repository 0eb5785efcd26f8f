"""The outside world: warehouses, sources and destinations. All that a plugin author imports."""
