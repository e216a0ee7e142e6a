"""Signing in with an OpenID provider: its settings, and what is said with it."""
