"""A pipeline, a middleware and an extension."""

from native import is_native
from scrapy import signals
from scrapy.utils.defer import maybe_deferred_to_future
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater


def a_moment(value=None):
    from twisted.internet import reactor

    return deferLater(reactor, 0, lambda: value)


class Counting:
    """Numbers the items, late."""

    async def process_item(self, item):
        return await maybe_deferred_to_future(a_moment(item | {"processed": True}))


class Late:
    """Lets every request wait for a moment."""

    async def process_request(self, request):
        await maybe_deferred_to_future(a_moment())


class Telling:
    """Says at the end whose Deferreds there were, and in which reactor."""

    def __init__(self, crawler):
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler):
        extension = cls(crawler)
        crawler.signals.connect(extension.closed, signals.spider_closed)
        return extension

    def closed(self, spider, reason):
        from twisted.internet import reactor

        print("native", is_native(Deferred()), is_native(a_moment()))
        print(type(reactor).__name__, reason, spider.crawler.stats.get_value("item_scraped_count"))
