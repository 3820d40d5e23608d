"""From declared runs to their records: what trains together, the one loop, what is kept."""
