"""Sources: what is read into the warehouse, through dlt."""
