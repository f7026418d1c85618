//! Iceberg namespaces and tables, in SQL and REST catalogs.
