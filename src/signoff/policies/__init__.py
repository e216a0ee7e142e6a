"""The policies of a desk: how they are read, and what they make of a request."""
