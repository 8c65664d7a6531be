"""One module per vendor: `fetch` returns payloads as they came, `parse` turns them into rows."""
