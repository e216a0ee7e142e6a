"""Everything that touches LangGraph: checkpoints, states, running graphs."""
