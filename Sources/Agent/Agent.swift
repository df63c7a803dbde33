// The room Agent.
