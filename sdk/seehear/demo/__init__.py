"""`make demo`: a clip made here, enhanced and shown."""
