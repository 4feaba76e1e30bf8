"""Documents to Alpaca records: formatted, filtered, deduplicated and split. The entry is `adapt.dataset.build.build`."""
