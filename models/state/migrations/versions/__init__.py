"""One file a step; revisions are numbers, so that newer and older can be told apart without alembic."""
