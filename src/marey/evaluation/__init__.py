"""How often a network is right on clips."""
