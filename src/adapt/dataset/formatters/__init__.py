"""One module for each kind of document; `document.format_document` picks among them."""
