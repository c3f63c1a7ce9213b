"""The settings of the project."""

BOT_NAME = "quotes"
SPIDER_MODULES = ["quotes.spiders"]
ITEM_PIPELINES = {"quotes.parts.Counting": 300}
DOWNLOADER_MIDDLEWARES = {"quotes.parts.Late": 543}
EXTENSIONS = {"quotes.parts.Telling": 500}
LOG_LEVEL = "ERROR"
DOWNLOAD_DELAY = 0
ROBOTSTXT_OBEY = True
TELNETCONSOLE_ENABLED = False
