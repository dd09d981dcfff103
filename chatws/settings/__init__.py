"""The settings of a server: the table, and how its values are found."""
from chatws.settings.model import Settings, default_data_dir

__all__ = ["Settings", "default_data_dir"]
