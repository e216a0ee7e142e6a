"""The ways to reach people: a module for each."""
