//! State shards: format, storage, locks, and the compare-and-swap protocol above them.
