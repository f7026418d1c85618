//! The pure heart: manifests, contracts, the resource graph, the plan and the schedule.
