"""Enhancement on a server: what goes over the connection."""
