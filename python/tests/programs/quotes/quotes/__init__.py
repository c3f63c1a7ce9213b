"""A Scrapy project whose every part waits for Deferreds."""
