"""What the project's files may say: one pydantic model a kind."""

from models.declarations.audience import Audience
from models.declarations.destination import DestinationDeclaration
from models.declarations.feature import Aggregates, Feature
from models.declarations.guards import Guards, Share
from models.declarations.model import Model
from models.declarations.prediction import Algorithm, Cutoffs, Label, LightGbm, Prediction, Split
from models.declarations.project import Defaults, DuckDbSettings, LogSettings, ProjectSettings
from models.declarations.schedule import Schedule
from models.declarations.source import FilesystemSource, RestApiSource, Source, SqlDatabaseSource
from models.declarations.sync import FieldMapping, InlineModel, Sync, TableModel
from models.declarations.trait import Trait

__all__ = [
    "Aggregates",
    "Algorithm",
    "Audience",
    "Cutoffs",
    "Defaults",
    "DestinationDeclaration",
    "DuckDbSettings",
    "Feature",
    "FieldMapping",
    "FilesystemSource",
    "Guards",
    "InlineModel",
    "Label",
    "LightGbm",
    "LogSettings",
    "Model",
    "Prediction",
    "ProjectSettings",
    "RestApiSource",
    "Schedule",
    "Share",
    "Source",
    "Split",
    "SqlDatabaseSource",
    "Sync",
    "TableModel",
    "Trait",
]
