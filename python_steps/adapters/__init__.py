"""One module per vendor: `fetch` returns payloads as they came, `parse` turns them into rows.

A vendor has BASE_URL, RATE (a vendor_http.Rate), ASSET_CLASSES, KEY (whether it needs one), and:

- `fetch(request: VendorRequest, http: VendorHttp) -> Iterator[VendorPayload]` pages until all is answered,
  and raises VendorError where it is not; what it has given by then is kept.
- `parse(payload: VendorPayload) -> ParsedPayload` is pure and never raises: what it cannot read is refused,
  with a reason.

`file` is the adapter of a user's own files, which need no vendor.
"""
