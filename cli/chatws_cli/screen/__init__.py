"""Full screen as plain data: state, layout, keys and bars, independent of Textual."""
