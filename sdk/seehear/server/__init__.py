"""The execution server: devices send sound and pictures, and get enhanced sound back. docs/server.md."""
