"""Optical flow: computed, read from images, cached."""
