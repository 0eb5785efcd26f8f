"""Figures as ratios: each piece of the product beside the bare work, in turn, on the same machine."""
