"""`signoff notifications`: how people are told."""
