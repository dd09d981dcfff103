"""Static checks of the source tree: import cycles, repeated class names, retired names, wording."""
