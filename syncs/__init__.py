"""The engine: plan, guard, deliver, settle, and its journal."""
