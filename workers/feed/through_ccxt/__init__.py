"""Any other exchange, through the library ccxt (the extra ``ccxt``), with our own rules around it."""
