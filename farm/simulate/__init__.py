"""`pictor simulate`: the farm's own fair queue, driven by arrivals and GPUs that exist on paper."""
