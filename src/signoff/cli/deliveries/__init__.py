"""`signoff deliveries`: see to it that people and webhooks are told."""
