"""seehear_convert: the host side of seehear (data, networks, training, quantising, evaluation)."""
