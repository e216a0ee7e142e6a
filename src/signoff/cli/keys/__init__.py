"""`signoff keys`: the API keys with which programs act."""
