"""A spider that follows every link of a small site."""

import scrapy
from scrapy.utils.defer import maybe_deferred_to_future

from quotes.parts import a_moment


class Quotes(scrapy.Spider):
    """Starts at the address that it is given."""

    name = "quotes"

    def __init__(self, site, **rest):
        super().__init__(**rest)
        self.start_urls = [site]

    async def parse(self, response):
        await maybe_deferred_to_future(a_moment())
        for quote in response.css("p"):
            yield {"page": response.css("h1::text").get(), "text": quote.css("::text").get()}
        for link in response.css("a::attr(href)").getall():
            yield response.follow(link, self.parse, errback=self.failed)

    async def failed(self, failure):
        yield {"page": failure.value.response.url.rsplit("/", 1)[1], "text": f"status {failure.value.response.status}"}
