//! From typed documents to the desired graph.
