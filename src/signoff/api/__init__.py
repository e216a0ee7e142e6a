"""The HTTP API: JSON routes that translate, call one service, and translate."""
