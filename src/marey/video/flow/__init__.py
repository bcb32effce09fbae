"""Optical flow: computed, stored, kept."""
