"""Work fanned out: the same bits from every executor, and a worker that dies costs none of them."""
