"""The steps that bring a state database to today's schema, run by alembic."""
