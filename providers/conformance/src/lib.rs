//! The suite every provider must pass, a fake provider, and a wrapper that injects faults.
