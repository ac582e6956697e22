"""What runs the graphs of a bundle: the TFLite runtime, delegates, the core's own kernels."""
