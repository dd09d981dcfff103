"""Full-screen terminal client: Textual widgets and controller for the state of ``chatws_cli.screen``."""
