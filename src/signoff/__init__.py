"""The human sign-off desk for LangGraph."""
