"""Traits, features and predictions: events and tables in, tables out.

`traits.materialise` fills `traits.<name>`, `training.train` keeps a new model version, `predicting.score`
fills `predictions.<name>`. One function (`features.feature_sql`) compiles the features of both of the latter,
so that training and scoring cannot differ. Every time is in UTC, and so is a warehouse session.
"""
