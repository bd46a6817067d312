"""Long or repeated work: due jobs as rows, heartbeats."""
