"""Settings, read once: `signoff.toml` in the project's folder, and `SIGNOFF_*` above it.

A project may also have a `langgraph.json`, for LangGraph's own tools. Its graphs, its folders and
its variables are taken over.
"""

from signoff.config.reading import TABLES, export_variables, load
from signoff.config.settings import Settings

__all__ = ["TABLES", "Settings", "export_variables", "load"]
