"""Everything that touches LangGraph: checkpoints, running graphs, understanding pauses."""
