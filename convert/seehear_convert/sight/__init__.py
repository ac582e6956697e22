"""The landmark nets: pictures, training, conversion."""
