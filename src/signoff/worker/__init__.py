"""The part of a process that executes runs and keeps the desk's house in order."""
