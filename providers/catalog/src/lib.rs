//! The data catalog: domains, products and lineage, kept by a portal of plain files.
