// The room Coordinator.
