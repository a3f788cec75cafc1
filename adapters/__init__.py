"""Everything that touches a driver, behind the ports of the domain."""
