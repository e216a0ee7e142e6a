"""Everything that touches LangGraph: the checkpointer, running a graph, understanding its pauses."""
