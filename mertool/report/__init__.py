"""Numbers -> documents: reports of finished runs in every format."""
