"""What is known of a model version, as plain values and as a few lines to read."""

from __future__ import annotations

from typing import Any

from scoring.registry import ModelVersion

__all__ = ["as_dict", "as_text"]

_ROWS = {
    "auc": "AUC",
    "average_precision": "average precision",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "calibration error",
    "lift_top_decile": "lift, top tenth",
}


def as_dict(version: ModelVersion) -> dict[str, Any]:
    """The version in values that JSON holds."""
    columns = version.features["columns"] if isinstance(version.features, dict) else version.features
    return {
        "prediction": version.prediction,
        "version": version.version,
        "status": version.status,
        "created_at": version.created_at.isoformat(),
        "promoted_at": version.promoted_at.isoformat() if version.promoted_at else None,
        "promoted_by": version.promoted_by,
        "verdict": version.metrics["verdict"],
        "kept": version.metrics["kept"],
        "test": version.metrics["test"],
        "champion_auc": version.metrics["champion_auc"],
        "rounds": version.parameters["rounds"],
        "features": list(columns),
        "data": version.data,
        "model_file": version.model_file,
        "code_version": version.code_version,
    }


def as_text(version: ModelVersion) -> str:
    """The figures of each model on the held-out cut-off side by side, and the verdict."""
    tested: dict[str, dict[str, float]] = version.metrics["test"]
    kinds = sorted(tested)
    some = tested[kinds[0]]
    width = max(map(len, _ROWS.values()))
    lines = [
        f"{version.prediction} version {version.version} ({version.status}), kept: {version.metrics['kept']}",
        (
            f"tested as of {version.data['test'][:10]}, {version.data['horizon']} ahead: {some['n']} rows, "
            f"{some['positives']} positives ({some['base_rate']:.1%})"
        ),
        "",
        " " * width + "".join(f"{kind:>21}" for kind in kinds),
        *(
            f"{words:<{width}}" + "".join(f"{tested[kind][name]:>21.4f}" for kind in kinds)
            for name, words in _ROWS.items()
        ),
        "",
        version.metrics["verdict"],
        *(f"warning: {warning}" for warning in version.data["warnings"]),
    ]
    return "\n".join(lines)
