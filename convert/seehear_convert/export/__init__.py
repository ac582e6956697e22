"""Trained networks to graphs, bundles, NPU binaries and model cards."""
