"""The pages of an atlas from a small live server: `marey serve`."""
