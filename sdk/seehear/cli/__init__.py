"""The command `seehear`."""
