"""``chatws top``: live metrics of servers, scraped periodically."""
